"""Portfolios: the trades of several strategies over one account."""
