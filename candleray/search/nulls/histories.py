"""Histories of chance: candles with the moments of real ones, in which there is nothing to find.

Each depends on the seed, its kind and its number alone, to the bit on every machine: raw words of a counter, and
no function of a library of mathematics but the square root.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.chance.luck import History
from candleray.candles import Candles, FloatArray, IntArray
from candleray.random_words import words_of
from candleray.search.bars import Bars
from candleray.timeframes import DAY_MS

LEAST_FACTOR = 0.01
"""The least that one bar leaves of a price: no history falls below zero."""
LEAST_BLOCK, MOST_SHARE = 5, 20
"""A block is a day of bars, at least this many, and at most this part of all."""


def history(bars: Bars, kind: History, seed: int, number: int) -> Bars:
    """Return the bars with a history of chance in place of their own, warm-up included.

    A walk: each close moves by an independent normal step of the mean size of theirs, without drift; above and
    below its body each bar reaches as far as one of theirs drawn at random, whose volume it has. Blocks: the bars
    as they move from close to close, and in a day of bars one after the other, in another order: the same trend
    from end to end, the same bars, and no pattern longer than a day.
    """
    words = words_of(seed, f"history of chance/{kind}/{number}")
    candles = bars.candles
    made = _walk(candles, words) if kind is History.WALK else _shuffled(candles, block_bars(bars), words)
    return replace(bars, candles=Candles(candles.ts_open_ms, np.ascontiguousarray(made)))


def block_bars(bars: Bars) -> int:
    """Return the bars of a block that stays together."""
    return max(1, min(max(LEAST_BLOCK, DAY_MS // bars.bar_ms), len(bars.candles) // MOST_SHARE))


def _walk(candles: Candles, words: np.random.Philox) -> FloatArray:
    open_, high, low, close, volume = candles.values
    before = _before(candles)
    moves = close / before - 1.0
    # A running sum has one order on every processor.
    size = float(np.sqrt((moves * moves).cumsum()[-1] / moves.size))
    drawn = words.random_raw(len(candles))
    made = open_[0] * np.cumprod(np.maximum(LEAST_FACTOR, 1.0 + size * _normal(drawn)))
    opens = np.concatenate([open_[:1], made[:-1]])
    like: IntArray = (words.random_raw(len(candles)) % np.uint64(len(candles))).astype(np.int64)
    above, below = high / np.maximum(open_, close), low / np.minimum(open_, close)
    highs, lows = np.maximum(opens, made) * above[like], np.minimum(opens, made) * below[like]
    return np.stack([opens, highs, lows, made, volume[like]])


def _shuffled(candles: Candles, block: int, words: np.random.Philox) -> FloatArray:
    count = len(candles)
    starts = np.arange(0, count, block)
    order = np.argsort(words.random_raw(starts.size), kind="stable")
    places = np.concatenate([np.arange(start, min(start + block, count)) for start in starts[order]])
    shapes = (candles.values[:4] / _before(candles))[:, places]
    closes = candles.values[0, 0] * np.cumprod(shapes[3])
    prices = shapes * np.concatenate([candles.values[0, :1], closes[:-1]])
    return np.vstack([prices[:3], closes, candles.values[4, places]])


def _before(candles: Candles) -> FloatArray:
    """Return the close before each bar; before the first its open."""
    return np.concatenate([candles.values[0, :1], candles.values[3, :-1]])


def _normal(words: NDArray[np.uint64]) -> FloatArray:
    """Return standardised sums of the four 16-bit parts of each word: near enough to normal, within ±3.5."""
    total = words.astype("<u8").view("<u2").reshape(-1, 4).sum(axis=1, dtype=np.int64)
    standard: FloatArray = (total - 2 * 65_535) / (65_536 / np.sqrt(3.0))
    return standard
