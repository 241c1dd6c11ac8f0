"""Bars of runs as their minutes come."""
