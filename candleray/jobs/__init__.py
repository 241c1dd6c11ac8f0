"""Jobs: large searches that outlive every process, their states, checkpoints and store."""
