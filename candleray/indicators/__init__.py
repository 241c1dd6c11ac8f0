"""The indicators as data for people: their catalogue, request models and series."""
