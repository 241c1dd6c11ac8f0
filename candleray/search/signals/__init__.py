"""Signals as numbers: expressions of one strategy, their numbering in a grid, their planes."""
