"""The routes, one topic a file; every module here has a `router`."""
