"""The stores: the only modules that know a database driver."""
