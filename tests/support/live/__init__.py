"""Support of the tests of live runs."""
