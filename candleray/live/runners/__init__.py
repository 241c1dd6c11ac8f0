"""The runners of live runs: closed candles in, events out."""
