"""Live runs of saved strategies: their states, warm-up and store."""
