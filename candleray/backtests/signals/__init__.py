"""The signal language: operands, conditions over them, and the conditions that open and close positions."""
