"""Runs that trade on paper: from what they say to orders, and how these are told."""
