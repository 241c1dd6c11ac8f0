"""The venues' own side, simulated; production code never imports it."""
