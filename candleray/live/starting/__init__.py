"""Start of a live run: its warm-up, and the checks before it."""
