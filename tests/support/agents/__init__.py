"""Assistants without a model: scripted clients of the agents' door."""
