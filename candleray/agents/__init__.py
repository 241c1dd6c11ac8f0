"""The agents' door: what an assistant may ask for, thin over the SDK."""
