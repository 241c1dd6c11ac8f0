"""Portfolios: several strategies over one account, with shares, rebalances and limits."""
