"""The machine that was measured on, and what ran beside."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def describe_machine(core: int) -> dict[str, Any]:
    """The processor, its cores, the one used, and the load of the last minute before the start."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "pinned to core": core,
        "load before": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
