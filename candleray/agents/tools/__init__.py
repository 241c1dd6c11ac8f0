"""Tools: one a file, discovered by its name; the file's docstring is what an assistant reads of it."""
