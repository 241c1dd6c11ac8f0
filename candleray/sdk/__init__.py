"""The Python SDK: a client of the API, light to import."""
