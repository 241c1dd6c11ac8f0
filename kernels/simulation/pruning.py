"""Pruning: limits that end a variant inside its walk, so that it never ranks (R6.1).

A walk that prunes says after each trade what its account has been at the bar closes since: the same points that
`metrics` marks for the report, so that no variant is kept whose report breaks a limit. Where a block of 64
bars cannot hold anything that matters, its highest and lowest close say so and none of its bars is looked at.

On one bar the first of these holds: a trade that is too long, one too many, the drawdown, the loss window. Too few
trades is said at the end alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels.jit import FLOAT, INT, INTS, INTS_OUT, inline, jit
from kernels.simulation.first_passages import BLOCK
from kernels.simulation.prune_reasons import (
    KEPT,
    LOSS_WINDOW,
    MAX_DRAWDOWN,
    MAX_TRADE_DURATION,
    MAX_TRADES,
    MIN_TRADES,
)

ROUNDING = 1e-12
"""A high that is above the one before by less than this share of it is rounding and counts as none."""

_NEVER = 1 << 62


class Limits(NamedTuple):
    """What a variant may do, in the types compiled code takes; a limit that is not asked for is out of reach."""

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
        """The limits as people write them, None for no limit."""
        return Limits(
            float("inf") if max_drawdown_pct is None else float(max_drawdown_pct),
            _NEVER if window_trades is None else window_trades,
            0 if min_trades is None else min_trades,
            _NEVER if max_trades is None else max_trades,
            _NEVER if max_trade_bars is None else max_trade_bars,
        )


LIMITS = types.NamedTuple((FLOAT, INT, INT, INT, INT), Limits)
"""The compiled type of `Limits`."""


class Pruning(NamedTuple):
    """The limits, and for each bar that may be a high the bar by which the next must have come.

    `deadlines[t + 1]` belongs to a high at the close of bar t, `deadlines[0]` to the cash at the start.
    """

    limits: Limits
    deadlines: NDArray[np.int64]

    def check(self, n_bars: int, n_variants: int, out_pruned: NDArray[np.int64]) -> None:
        """Raises ValueError where these do not belong to so many bars and variants."""
        if self.deadlines.size != n_bars + 1:
            raise ValueError(f"{self.deadlines.size} deadlines for {n_bars} bars, {n_bars + 1} needed")
        if out_pruned.size != n_variants:
            raise ValueError(f"the outputs must hold {n_variants} variants each")


def no_deadlines(n_bars: int) -> NDArray[np.int64]:
    return np.full(n_bars + 1, n_bars)


def deadlines(ts_open_ms: NDArray[np.int64], bar_ms: int, window_ms: int) -> NDArray[np.int64]:
    """The first bar that closes so long after the start, and after the close of each bar; n for none."""
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
    """What is remembered of an account: its highest equity, and when its last high was."""

    peak: float
    high: float
    deadline: int
    trades: int
    """Trades that had closed at the high."""


@inline
def start(init_cash, deadlines):
    return Standing(init_cash, init_cash, deadlines[0], 0)


@inline
def _drawdown_pct(equity, peak):
    return (peak - equity) / peak * 100.0


@inline
def _point(standing, equity, bar, deadline, trades, limits):
    """What an equity at the close of a bar makes of the standing; `deadline` is that of a high there."""
    peak = max(standing.peak, equity)
    if equity > standing.high * (1.0 + ROUNDING):
        return KEPT, Standing(peak, equity, deadline, trades)
    reason = KEPT
    if _drawdown_pct(equity, peak) > limits.max_drawdown_pct:
        reason = MAX_DRAWDOWN
    elif bar >= standing.deadline or trades - standing.trades >= limits.window_trades:
        reason = LOSS_WINDOW
    return reason, Standing(peak, standing.high, standing.deadline, standing.trades)


@inline
def rest(standing, equity, first, stop, trades, deadlines, limits):
    """The bars `[first, stop)` without a position."""
    reason = KEPT
    if first < stop:
        reason, standing = _point(standing, equity, first, deadlines[first + 1], trades, limits)
        if reason == KEPT and stop > standing.deadline:
            reason = LOSS_WINDOW
    return reason, standing


@inline
def hold(standing, position, equity, first, stop, trades, close, lows, highs, deadlines, limits):
    """The bars `[first, stop)` at whose closes the position is open; `equity` is that before its entry."""
    base = equity - position.fee
    side, quantity, fill = position.side, position.quantity, position.fill
    marked = base + side * quantity * (close[first] - fill)
    reason, standing = _point(standing, marked, first, deadlines[first + 1], trades, limits)
    bar = first + 1
    while reason == KEPT and bar < stop:
        block = bar // BLOCK
        until = min((block + 1) * BLOCK, stop)
        top, bottom = (highs[block], lows[block]) if side > 0.0 else (lows[block], highs[block])
        best, worst = base + side * quantity * (top - fill), base + side * quantity * (bottom - fill)
        broken = _drawdown_pct(worst, standing.peak) > limits.max_drawdown_pct
        if best > standing.peak or broken or until > standing.deadline:
            while reason == KEPT and bar < until:
                marked = base + side * quantity * (close[bar] - fill)
                reason, standing = _point(standing, marked, bar, deadlines[bar + 1], trades, limits)
                bar += 1
        bar = until
    return reason, standing


@inline
def trade_reason(standing, position, equity, bars, trades, close, lows, highs, deadlines, limits):
    """What a variant is pruned for between the exit of its last trade and that of the next.

    Args:
        equity: before the entry of the next.
        bars: the exit of the last trade, entry and exit of the next; the last exit's bar counts, the next one's
            does not.
    """
    before, bar, exit_bar = bars
    reason, standing = rest(standing, equity, before, bar, trades, deadlines, limits)
    if reason == KEPT and trades >= limits.max_trades:
        reason = MAX_TRADES
    if reason == KEPT:
        too_long = exit_bar - bar > limits.max_trade_bars
        stop = bar + limits.max_trade_bars + 1 if too_long else exit_bar
        reason, standing = hold(
            standing, position, equity, bar, stop, trades, close, lows, highs, deadlines, limits
        )
        if reason == KEPT and too_long:
            reason = MAX_TRADE_DURATION
    return reason, standing


@inline
def last_reason(standing, equity, before, n_bars, trades, deadlines, limits):
    """What a variant is pruned for after the exit of its last trade."""
    reason, _ = rest(standing, equity, before, n_bars, trades, deadlines, limits)
    return MIN_TRADES if reason == KEPT and trades < limits.min_trades else reason
