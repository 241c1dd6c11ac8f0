"""Numbers that look drawn and are the same everywhere: a choice that needs no generator and no order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each number with its bits mixed; no two become one.

    It is the last step of SplitMix64 (Steele, Lea, Flood 2014).
    """
    x = numbers + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)
