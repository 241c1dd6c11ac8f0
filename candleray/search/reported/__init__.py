"""The parts of the report of one variant that come from its equity curve and its trades."""
