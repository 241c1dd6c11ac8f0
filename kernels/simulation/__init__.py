"""Accounts walked through the bars: entries, exits, stops, pruning and metrics."""
