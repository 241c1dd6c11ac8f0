"""The databases: the only modules that know a driver."""
