"""Repair of stored history: scans find minutes that the store lacks, and REST brings them, after what is live."""
