"""The services of an instance: embedded ones from wheels, or outside ones by URL."""
