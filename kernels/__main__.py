"""Compile every kernel that this machine has not compiled yet: `python -m kernels`.

Else each is compiled when it is first needed, and whoever needs it waits.
"""

from __future__ import annotations

import importlib
import pkgutil

import kernels
from kernels.jit import load

if __name__ == "__main__":
    load(*(importlib.import_module(found.name) for found in pkgutil.walk_packages(kernels.__path__, "kernels.")))
