"""The exchange simulator as a server, and its command."""

from serve_apps.simulator.app import build_simulator
from serve_apps.simulator.command import simulator
from serve_apps.simulator.requests import Faults

__all__ = ["Faults", "build_simulator", "simulator"]
