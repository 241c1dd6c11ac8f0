"""Trust: what all variants of a search say together about whether its best is more than luck."""
