"""Percentiles of numbers in order: one of the numbers themselves, never one between two."""

from __future__ import annotations


def place_of(percent: int, count: int) -> int:
    """Return the place, from 0, of the lowest of `count` ordered numbers that so many percent do not exceed."""
    return max(0, -(-percent * count // 100) - 1)
