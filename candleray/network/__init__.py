"""The network as this machine's environment lets us use it: HTTP clients, proxies, who is asked directly."""
