"""The rules of trading of a request: where orders fill, how large they are, what ends a position."""
