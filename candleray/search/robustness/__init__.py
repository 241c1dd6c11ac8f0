"""Robustness checks: one strategy under what could have been otherwise."""
