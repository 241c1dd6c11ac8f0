"""Random words of named streams, the same bits for the same seed on every machine."""

from __future__ import annotations

import hashlib

import numpy as np


def words_of(seed: int, stream: str) -> np.random.Philox:
    """Return a source of random words of a seed's stream.

    Its raw output is what numpy promises for good; its distributions are not.
    """
    key = int.from_bytes(hashlib.sha256(f"candleray/{seed}/{stream}".encode()).digest()[:16], "little")
    return np.random.Philox(key=key)
