"""Simulated exchanges: the venues' own side of their REST interfaces. Production code never imports it."""
