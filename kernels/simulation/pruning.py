"""Pruning: limits that end a variant inside its walk, so that it never ranks.

After each trade, a walk that prunes follows its account over the bar closes since the trade before. These are the
points that `metrics` marks for the report, so no kept variant's report breaks a limit. The highest and the lowest
close of a block of 64 bars tell where none of its bars can matter; those blocks are skipped.

Where several limits are broken on one bar, the first of these is the variant's fate: a trade that is too long, one
too many, the drawdown, the loss window. Too few trades are known at the end alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, INT, INTS, INTS_OUT, inline, jit, record_of, splice
from kernels.simulation.prices import BLOCK
from kernels.simulation.prune_reasons import (
    KEPT,
    LOSS_WINDOW,
    MAX_DRAWDOWN,
    MAX_TRADE_DURATION,
    MAX_TRADES,
    MIN_TRADES,
)

ROUNDING = 1e-12
"""A high counts only if it is above the one before by more than this share of it; less is rounding."""

_NEVER = 1 << 62


class Limits(NamedTuple):
    """The limits of a variant, in the types that compiled code takes; one that is not set is out of reach."""

    max_drawdown_pct: float
    window_trades: int
    min_trades: int
    max_trades: int
    max_trade_bars: int

    @staticmethod
    def of(
        *,
        max_drawdown_pct: float | None = None,
        window_trades: int | None = None,
        min_trades: int | None = None,
        max_trades: int | None = None,
        max_trade_bars: int | None = None,
    ) -> Limits:
        """Limits as people write them, None for no limit."""
        return Limits(
            float("inf") if max_drawdown_pct is None else float(max_drawdown_pct),
            _NEVER if window_trades is None else window_trades,
            0 if min_trades is None else min_trades,
            _NEVER if max_trades is None else max_trades,
            _NEVER if max_trade_bars is None else max_trade_bars,
        )


LIMITS = record_of(Limits, FLOAT, INT, INT, INT, INT)
"""The compiled type of `Limits`."""


class Pruning(NamedTuple):
    """The limits, and for each bar that may be a high the bar by which the next high must have come.

    `deadlines[t + 1]` belongs to a high at the close of bar t, `deadlines[0]` to the cash at the start.
    """

    limits: Limits
    deadlines: NDArray[np.int64]

    def check(self, n_bars: int) -> None:
        """
        Raises:
            ValueError: for deadlines of another number of bars.
        """
        if self.deadlines.size != n_bars + 1:
            raise ValueError(f"{self.deadlines.size} deadlines for {n_bars} bars, {n_bars + 1} needed")


PRUNING = record_of(Pruning, LIMITS, INTS)
"""The compiled type of `Pruning`."""


def no_deadlines(n_bars: int) -> NDArray[np.int64]:
    """Deadlines that no bar reaches."""
    return np.full(n_bars + 1, n_bars)


def deadlines(ts_open_ms: NDArray[np.int64], bar_ms: int, window_ms: int) -> NDArray[np.int64]:
    """The first bar that closes `window_ms` after the start, and after the close of each bar; n for none."""
    out = np.empty(ts_open_ms.size + 1, np.int64)
    _deadlines(ts_open_ms, bar_ms, window_ms, out)
    return out


@jit(INTS, INT, INT, INTS_OUT)
def _deadlines(ts_open_ms, bar_ms, window_ms, out):
    bar = 0
    for place in range(out.size):
        high_ms = ts_open_ms[0] if place == 0 else ts_open_ms[place - 1] + bar_ms
        while bar < ts_open_ms.size and ts_open_ms[bar] + bar_ms - high_ms < window_ms:
            bar += 1
        out[place] = bar


class Standing(NamedTuple):
    """The past of an account, as far as limits ask for it: its highest equity, and its last high."""

    peak: float
    high: float
    deadline: int
    trades: int
    """Trades that had closed at the high."""


class TradeBars(NamedTuple):
    """The bars of a trade, and the exit of the one before it; 0 before the first."""

    last_exit: int
    entry: int
    exit: int


@inline
def first_standing(init_cash, deadlines):
    return Standing(init_cash, init_cash, deadlines[0], 0)


@inline
def _drawdown_pct(equity, peak):
    return (peak - equity) / peak * 100.0


@inline
def _after_close(standing, equity, bar, deadline, trades, limits):
    """Fate and standing after an equity at the close of a bar; `deadline` is that of a high there."""
    peak = max(standing.peak, equity)
    if equity > standing.high * (1.0 + ROUNDING):
        return KEPT, Standing(peak, equity, deadline, trades)
    fate = KEPT
    if _drawdown_pct(equity, peak) > limits.max_drawdown_pct:
        fate = MAX_DRAWDOWN
    elif bar >= standing.deadline or trades - standing.trades >= limits.window_trades:
        fate = LOSS_WINDOW
    return fate, Standing(peak, standing.high, standing.deadline, standing.trades)


@splice
def _after_idle_bars(standing, equity, first, stop, trades, pruning):
    """Fate and standing after the bars `[first, stop)` without a position."""
    fate = KEPT
    if first < stop:
        deadline = pruning.deadlines[first + 1]
        fate, standing = _after_close(standing, equity, first, deadline, trades, pruning.limits)
        if fate == KEPT and stop > standing.deadline:
            fate = LOSS_WINDOW
    return fate, standing


@splice
def _after_held_bars(standing, position, equity, bars, trades, prices, pruning):
    """Fate and standing after the bars at whose closes a position is open; `equity` is that before its entry."""
    first, stop = bars
    close, deadlines, limits = prices.close, pruning.deadlines, pruning.limits
    base = equity - position.fee
    side, quantity, fill = position.side, position.quantity, position.fill
    marked = base + side * quantity * (close[first] - fill)
    fate, standing = _after_close(standing, marked, first, deadlines[first + 1], trades, limits)
    bar = first + 1
    while fate == KEPT and bar < stop:
        block = bar // BLOCK
        until = min((block + 1) * BLOCK, stop)
        high, low = prices.highs[block], prices.lows[block]
        top, bottom = (high, low) if side > 0.0 else (low, high)
        best, worst = base + side * quantity * (top - fill), base + side * quantity * (bottom - fill)
        broken = _drawdown_pct(worst, standing.peak) > limits.max_drawdown_pct
        if best > standing.peak or broken or until > standing.deadline:
            while fate == KEPT and bar < until:
                marked = base + side * quantity * (close[bar] - fill)
                fate, standing = _after_close(standing, marked, bar, deadlines[bar + 1], trades, limits)
                bar += 1
        bar = until
    return fate, standing


@splice
def after_trade(standing, position, equity, bars, trades, prices, pruning):
    """Fate and standing between the exit of the last trade and that of the next.

    The bar of the last exit counts, that of the next exit does not.

    Args:
        equity: before the entry of the next trade.
        bars: `TradeBars`.
        trades: how many have closed.
    """
    limits = pruning.limits
    fate, standing = _after_idle_bars(standing, equity, bars.last_exit, bars.entry, trades, pruning)
    if fate == KEPT and trades >= limits.max_trades:
        fate = MAX_TRADES
    if fate == KEPT:
        too_long = bars.exit - bars.entry > limits.max_trade_bars
        stop = bars.entry + limits.max_trade_bars + 1 if too_long else bars.exit
        held = bars.entry, stop
        fate, standing = _after_held_bars(standing, position, equity, held, trades, prices, pruning)
        if fate == KEPT and too_long:
            fate = MAX_TRADE_DURATION
    return fate, standing


@inline
def after_last_trade(standing, equity, last_exit, n_bars, trades, pruning):
    """The fate of a variant whose last trade has closed."""
    fate, _ = _after_idle_bars(standing, equity, last_exit, n_bars, trades, pruning)
    return MIN_TRADES if fate == KEPT and trades < pruning.limits.min_trades else fate
