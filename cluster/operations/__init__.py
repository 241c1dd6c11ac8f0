"""Commands for who runs an instance, on its machine: a module is a command of its name."""
