"""Verdicts of searches: which variants are judged, and what the answer says of them."""
