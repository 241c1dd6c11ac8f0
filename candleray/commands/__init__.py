"""One command a module, found by its name; `candleray.cli` says how."""
