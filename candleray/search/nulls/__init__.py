"""Null models: a search over histories of chance, in which there is nothing to find."""
