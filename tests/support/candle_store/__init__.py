"""Contracts of the candle store, for any ClickHouse behind it: a test class joins them and gives the `store`."""
