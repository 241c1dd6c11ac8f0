"""A search on Ray: its tasks, shared arrays, measured costs and jobs."""
