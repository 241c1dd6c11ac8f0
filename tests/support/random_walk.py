"""Candles of a random walk."""

from __future__ import annotations

import numpy as np


def random_walk(n: int, seed: int = 1, volatility: float = 2e-3) -> np.ndarray:
    """Candles `[5, n]` of a random walk whose high and low hold open and close."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, n)))
    open_ = np.concatenate(([100.0], close[:-1]))[:n]
    reach = np.exp(np.abs(rng.normal(0, volatility, (2, n))))
    high, low = np.maximum(open_, close) * reach[0], np.minimum(open_, close) / reach[1]
    return np.stack([open_, high, low, close, rng.exponential(10.0, n)])
