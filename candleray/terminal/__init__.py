"""Questions and tables that all commands share in a terminal."""
