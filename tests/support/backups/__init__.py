"""Support for tests of backups."""
