"""Snapshots of runs, so that a runner that begins anew need not go over their histories."""
