"""Exchanges as their clients see them: one file a venue, discovered, and the REST client of all."""
