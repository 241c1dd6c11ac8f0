"""Candles with noise: every price of every bar moved a little, independently of all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import Figures
from candleray.candles import Candles
from candleray.random_words import words_of
from candleray.search.bars import Bars
from candleray.search.robustness.draws import uniform
from candleray.search.robustness.figures import figures_over
from candleray.settings import BacktestSettings


def figures_under_noise(
    bars: Bars,
    request: BacktestRequest,
    defaults: BacktestSettings,
    noise_pct: float,
    seed: int,
    first: int,
    last: int,
) -> list[Figures]:
    """Return the figures of a strategy over the candles of the draws `[first, last)`."""
    return [
        figures
        for draw in range(first, last)
        for figures in figures_over(noisy(bars, noise_pct, seed, draw), [request], defaults)
    ]


def noisy(bars: Bars, noise_pct: float, seed: int, draw: int) -> Bars:
    """Return the bars under the noise of one draw; other candles that conditions read have noise of their own."""
    stream = f"candle noise/{draw}"
    others = {
        source: _moved(candles, noise_pct, seed, f"{stream}/{'/'.join(map(str, source))}")
        for source, candles in bars.others.items()
    }
    return replace(bars, candles=_moved(bars.candles, noise_pct, seed, stream), others=others)


def _moved(candles: Candles, noise_pct: float, seed: int, stream: str) -> Candles:
    """Move each price by up to a share of the median bar's height, evenly; a bar's high and low still hold it."""
    if not len(candles):
        return candles
    prices, volume = candles.values[:4], candles.values[4]
    height = float(np.median((prices[1] - prices[2]) / prices[3]))
    words = words_of(seed, stream).random_raw(prices.size).reshape(prices.shape)
    moved = prices * (1.0 + noise_pct / 100 * height * uniform(words))
    moved[1], moved[2] = moved.max(axis=0), moved.min(axis=0)
    return Candles(candles.ts_open_ms, np.ascontiguousarray(np.vstack([moved, volume])))
