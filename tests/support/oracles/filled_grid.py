"""Grids over bars of minutes, whose variants a clock of minutes trades too."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import numpy as np

from kernels.simulation.equity_curve import mark_equity
from kernels.simulation.exits import KINDS, MAX_BARS, SL_ATR, SL_PCT, TP_ATR, TP_PCT, TRAIL_PCT
from kernels.simulation.fills import Fills, Minutes
from kernels.simulation.levels.sizes import OF_LOSS, OF_VOLATILITY, Sizes
from tests.support.oracles.naive_fills import Bar, Exits, Minute, Policy, trade
from tests.support.oracles.oracle_comparison import Grid, assert_close, signal_flags


def fills_of(bars: list[Bar], policy: Policy) -> Fills:
    columns = [
        [getattr(minute, name) for bar in bars for minute in bar.minutes] for name in ("open", "high", "low")
    ]
    return Fills.of(
        np.array([bar.close for bar in bars], float),
        opens=np.array([bar.open for bar in bars], float) if policy.entry == "next_open" else None,
        minutes=Minutes(*(np.array(column, float) for column in columns)) if policy.stops == "intrabar" else None,
        target_first=policy.tie == "target_first",
    )


class FilledGrid(Grid):
    """A grid over bars of minutes, whose variants the clock trades."""

    def __init__(
        self,
        bars,
        axes,
        rules,
        policy,
        stop_losses=(),
        take_profits=(),
        gaps=(),
        more=None,
        atr=None,
        sizes=None,
        volatility=None,
    ) -> None:
        self.bars, self.policy = bars, policy
        closes = [bar.close for bar in bars]
        filled = fills_of(bars, policy)
        super().__init__(
            closes, axes, rules, stop_losses, take_profits, gaps, filled, more, atr, sizes, volatility
        )

    def oracle_run(self, base, levels):
        return self.clock(base, levels).run

    def clock(self, base, levels):
        digits = np.unravel_index(base, self.sizes)
        flags = [signal_flags(axis[digit]) for axis, digit in zip(self.axes, digits, strict=True)]
        longs, shorts = np.array([f[0] for f in flags]).all(axis=0), np.array([f[1] for f in flags]).all(axis=0)
        signals = (longs.astype(int) - shorts.astype(int)).tolist()
        rules, exits = replace(self.rules, sl_pct=levels[0], tp_pct=levels[-1]), Exits()
        if len(levels) >= KINDS:
            rules = replace(self.rules, sl_pct=levels[SL_PCT], tp_pct=levels[TP_PCT])
            others = levels[SL_ATR], levels[TRAIL_PCT], levels[MAX_BARS], levels[TP_ATR]
            exits = Exits(*others, self.prices.atr.tolist(), self.prices.volatility.tolist())
        if len(levels) > KINDS:
            rules = replace(rules, part_pct=levels[-1] * 100)
        clock = trade(signals, self.bars, rules, self.policy, self.prices.gaps.tolist(), exits)
        clock.run.conflicts = int((longs & shorts).sum())
        return clock

    def check_marks(self) -> None:
        """The equity at every close, as the report marks it from the trades."""
        every = np.arange(self.close.size)
        for base, levels in product(range(self.sizes.prod()), self.levels):
            trades, marked = self.trades(base, levels)[0], np.empty(every.size)
            mark_equity(trades, self.close, self.rules.init_cash_quote, every, marked)
            assert_close(marked.tolist(), self.oracle_run(base, levels).equity, "equity")


def drawn_bars(draw: random.Random, count: int, minutes: int) -> list[Bar]:
    """A walk with leaps between minutes, flat stretches, and minutes that reach far."""
    price, bars = draw.choice([100.0, 65_000.0]), []
    for _ in range(count):
        inside = []
        for _ in range(minutes):
            opened = price * (1 + draw.choice([0.0, 0.0, 0.0, draw.gauss(0, 0.03)]))
            price = opened * (
                1 + draw.choice([0.0, draw.gauss(0, 0.01), draw.gauss(0, 0.2) if draw.random() < 0.1 else 0])
            )
            price = max(price, opened * 0.2)
            reach = draw.choice([0.0, abs(draw.gauss(0, 0.01)), abs(draw.gauss(0, 0.05))])
            inside.append(
                Minute(opened, max(opened, price) * (1 + reach), min(opened, price) * (1 - min(reach, 0.9)))
            )
        bars.append(Bar(inside[0].open, price, inside))
    return bars


def drawn_exits(draw: random.Random) -> dict[int, list[float]]:
    """Up to two levels of some of the kinds that are no plain percent."""
    choices = {
        SL_ATR: [0.5, 1.0, 2.5, 30.0],
        TRAIL_PCT: [0.5, 1.0, 3.0, 20.0, 99.0],
        MAX_BARS: [1, 2, 3, 10, 100],
        TP_ATR: [0.5, 1.0, 3.0],
    }
    counts = [0, 0, 1, 2]
    return {kind: sorted(draw.sample(levels, draw.choice(counts))) for kind, levels in choices.items()}


def drawn_sizes(draw: random.Random, has_stop_loss: bool) -> tuple[str, Sizes]:
    """A sizing that is measured by risk, and up to two of its parts: some are more than any account can lose."""
    mode = draw.choice(["risk_per_trade", "volatility_target"] if has_stop_loss else ["volatility_target"])
    parts = sorted(draw.sample([0.001, 0.01, 0.05, 0.3, 0.9], draw.choice([1, 2])))
    if mode == "volatility_target":
        return mode, Sizes(OF_VOLATILITY, np.array(parts), 1.0)
    return mode, Sizes(OF_LOSS, np.array(parts), draw.choice([0.5, 1.0, 1.0, 3.0, 20.0]))


def drawn_ranges(draw: random.Random, bars: list[Bar]) -> np.ndarray:
    """An average true range at each bar, not known on some of the first ones."""
    ranges = np.array([bar.close * draw.choice([0.0, 0.005, 0.02, 0.1]) for bar in bars])
    ranges[: draw.choice([0, 0, 1, 3, 14])] = np.nan
    return ranges
