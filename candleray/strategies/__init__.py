"""Saved strategies: immutable, named by their content, one owner each."""
