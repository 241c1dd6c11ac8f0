"""The order endpoints of the venues as their client sees them: pure functions, one file a venue."""
