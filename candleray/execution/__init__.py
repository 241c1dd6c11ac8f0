"""Orders on their way to an exchange and back: what trading would need, without a way to a real venue."""
