"""The examples that the API document shows, one file a topic."""
