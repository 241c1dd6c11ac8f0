"""Faults of the simulated venues. A kind is a declaration in one of this folder's files; they are discovered."""
