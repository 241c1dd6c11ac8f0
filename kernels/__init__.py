"""The bottom floor: arrays in, arrays out. Knows the standard library, numpy and numba, and nothing above it."""

ENGINE_VERSION = 2
"""Part of every result's hash: raise it when a rule of trading or a metric changes a number."""
