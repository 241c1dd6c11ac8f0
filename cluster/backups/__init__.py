"""Backups of an instance: made while it runs, verified, and restored into an empty one."""
