"""Instruments as their exchanges describe them: kept, and each change told."""
