"""A server installation: the units of systemd that keep an instance up and back it up."""
