"""Limits that end a variant before its last bar."""
