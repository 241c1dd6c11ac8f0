"""Simulated exchanges: the venues' own side of REST and websockets. Production code never imports it."""
