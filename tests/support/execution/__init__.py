"""Gateways of orders, and what each must pass."""
