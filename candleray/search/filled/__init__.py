"""The fills of a search: their prices, their times, and what stays open inside a minute."""
