"""Accounts of the simulated venues: their keys, orders, fills and positions."""
