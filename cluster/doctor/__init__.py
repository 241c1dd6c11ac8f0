"""The doctor of an instance: what of this machine, its settings and its data would keep it from working."""
