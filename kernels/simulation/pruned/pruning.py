"""Pruning: limits that end a variant inside its walk, so that it never ranks.

After each trade, a walk that prunes follows its account over the bar closes since the trade before. These are the
points that the equity curve of the report has, so no kept variant's report breaks a limit. The highest and the
lowest close of a block of 64 bars tell where none of its bars can matter; those blocks are skipped.

`limits` declares what breaks each limit; its predicates are compiled into the walk here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, INT, INTS, INTS_OUT, inline, jit, record_of, splice
from kernels.simulation.prices import BLOCK
from kernels.simulation.pruned.limits import KEPT, LIMITS, AccountState, Predicate

ROUNDING = 1e-12
"""A high counts only if it is above the one before by more than this share of it; less is rounding."""

Limits: Any = NamedTuple("Limits", [(limit.name, type(limit.unset)) for limit in LIMITS])  # type: ignore[misc]
"""The value of each limit in the type that compiled code takes; one that is not set is out of reach."""

LIMIT_VALUES = record_of(Limits, *(FLOAT if isinstance(limit.unset, float) else INT for limit in LIMITS))
"""The compiled type of `Limits`."""


def limits_of(values: Mapping[str, float | int | None]) -> Any:
    """`Limits` of these values by name; None, or left out, for no limit."""
    given = {name: value for name, value in values.items() if value is not None}
    return Limits(**{limit.name: type(limit.unset)(given.get(limit.name, limit.unset)) for limit in LIMITS})


class Pruning(NamedTuple):
    """The limits, and for each bar that may be a high the bar by which the next high must have come.

    `deadlines[t + 1]` belongs to a high at the close of bar t, `deadlines[0]` to the cash at the start.
    """

    limits: Any
    deadlines: NDArray[np.int64]

    def check(self, n_bars: int) -> None:
        """
        Raises:
            ValueError: for deadlines of another number of bars.
        """
        if self.deadlines.size != n_bars + 1:
            raise ValueError(f"{self.deadlines.size} deadlines for {n_bars} bars, {n_bars + 1} needed")


PRUNING = record_of(Pruning, LIMIT_VALUES, INTS)
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


def _fate_by(moment: str) -> Callable[[Any, Any], int]:
    """A function for compiled code, of a state and the limits: the fate of an account in that state."""
    judge = _kept
    for fate, limit in reversed(list(enumerate(LIMITS, 1))):
        breaks: Predicate | None = getattr(limit, moment)
        if breaks is not None:
            judge = _before(splice(breaks), fate, judge)
    return judge


@splice
def _kept(account, limits):
    return KEPT


def _before(breaks: Predicate, fate: int, others: Callable[[Any, Any], int]) -> Callable[[Any, Any], int]:
    @splice
    def judge(account, limits):
        if breaks(account, limits):
            return fate
        return others(account, limits)

    return judge


fate_at_close, fate_at_entry = _fate_by("at_close"), _fate_by("at_entry")
fate_by_holding, fate_at_exit, fate_at_end = _fate_by("while_held"), _fate_by("at_exit"), _fate_by("at_end")


class Standing(NamedTuple):
    """The highest equity of an account, and its last high."""

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


class Tally(NamedTuple):
    """The trades of an account that have closed."""

    trades: int
    wins: int
    losses_in_a_row: int


@inline
def first_standing(init_cash, deadlines):
    return Standing(init_cash, init_cash, deadlines[0], 0)


@splice
def tally_with(tally, profit):
    """The tally with one more trade."""
    if profit > 0.0:
        return Tally(tally.trades + 1, tally.wins + 1, 0)
    return Tally(tally.trades + 1, tally.wins, tally.losses_in_a_row + 1)


@splice
def state_of(standing, tally, equity, bar, held_bars):
    return AccountState(
        equity,
        standing.peak,
        bar,
        held_bars,
        standing.deadline,
        tally.trades,
        standing.trades,
        tally.wins,
        tally.losses_in_a_row,
    )


@splice
def _after_close(standing, tally, equity, bar, deadline, limits):
    """Fate and standing after an equity at the close of a bar; `deadline` is that of a high there."""
    peak = max(standing.peak, equity)
    if equity > standing.high * (1.0 + ROUNDING):
        return KEPT, Standing(peak, equity, deadline, tally.trades)
    standing = Standing(peak, standing.high, standing.deadline, standing.trades)
    return fate_at_close(state_of(standing, tally, equity, bar, 0), limits), standing


@splice
def after_idle_bars(standing, tally, equity, first, stop, pruning):
    """Fate and standing after the bars `[first, stop)` without a position."""
    fate = KEPT
    if first < stop:
        deadline = pruning.deadlines[first + 1]
        fate, standing = _after_close(standing, tally, equity, first, deadline, pruning.limits)
        if fate == KEPT and first + 1 < stop:
            # Of bars with one equity the last one is the worst.
            fate = fate_at_close(state_of(standing, tally, equity, stop - 1, 0), pruning.limits)
    return fate, standing


@splice
def _after_held_bars(standing, tally, position, equity, bars, prices, pruning):
    """Fate and standing after the bars at whose closes a position is open; `equity` is that before its entry."""
    close, deadlines, limits = prices.close, pruning.deadlines, pruning.limits
    if bars[0] >= bars[1]:  # it has filled and ended before the first close
        return KEPT, standing
    base = equity - position.fee
    side, quantity, fill = position.side, position.quantity, position.fill
    first, stop = bars
    marked = base + side * quantity * (close[first] - fill)
    fate, standing = _after_close(standing, tally, marked, first, deadlines[first + 1], limits)
    bar = first + 1
    while fate == KEPT and bar < stop:
        block = bar // BLOCK
        until = min((block + 1) * BLOCK, stop)
        high, low = prices.highs[block], prices.lows[block]
        top, bottom = (high, low) if side > 0.0 else (low, high)
        best, worst = base + side * quantity * (top - fill), base + side * quantity * (bottom - fill)
        worst_fate = fate_at_close(state_of(standing, tally, worst, until - 1, 0), limits)
        if best > standing.peak or worst_fate != KEPT:
            while fate == KEPT and bar < until:
                marked = base + side * quantity * (close[bar] - fill)
                fate, standing = _after_close(standing, tally, marked, bar, deadlines[bar + 1], limits)
                bar += 1
        bar = until
    return fate, standing


@inline
def _first_too_long(standing, tally, equity, bars, limits):
    """The fate of a trade by its length, and the bar of it; `KEPT` and the exit where it is not too long."""
    exit_bars = bars.exit - bars.entry
    fate, held_bars = fate_by_holding(state_of(standing, tally, equity, bars.exit, exit_bars), limits), exit_bars
    if fate != KEPT:
        held_bars, fate = 0, KEPT
        while fate == KEPT:
            held_bars += 1
            state = state_of(standing, tally, equity, bars.entry + held_bars, held_bars)
            fate = fate_by_holding(state, limits)
    return fate, bars.entry + held_bars


@splice
def until_exit(standing, tally, position, equity, bars, prices, pruning):
    """Fate and standing between the exit of the last trade and that of the next, whose bar does not count.

    Args:
        equity: before the entry of the next trade.
        bars: `TradeBars`.
    """
    fate, standing = after_idle_bars(standing, tally, equity, bars.last_exit, bars.entry, pruning)
    if fate == KEPT:
        fate = fate_at_entry(state_of(standing, tally, equity, bars.entry, 0), pruning.limits)
    if fate == KEPT:
        held_fate, stop = _first_too_long(standing, tally, equity, bars, pruning.limits)
        held = bars.entry, stop
        fate, standing = _after_held_bars(standing, tally, position, equity, held, prices, pruning)
        if fate == KEPT:
            fate = held_fate
    return fate, standing
