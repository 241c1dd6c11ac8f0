"""Live runs, a bar at a time: the walks of `kernels.simulation` without any knowledge of later bars."""
