"""The simulator's kernels beside the oracle: the same small grid, the same rules, numbers compared one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from kernels.bits import pack, plane_addresses, row_addresses
from kernels.simulation import accounts
from kernels.simulation.accounts import LONG, SHORT
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.exits import EXIT_REASONS, KINDS, MAX_BARS, SL_PCT, TP_PCT
from kernels.simulation.levels.first_passages import BLOCK_LEVELS, StopTable, passages
from kernels.simulation.levels.sizes import Sizes
from kernels.simulation.levels.stops import Stops
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.prices import Prices
from kernels.simulation.under_stops import rank_combinations, trades_under
from tests.support.oracles import oracle


def kernel_rules(rules: oracle.Rules) -> accounts.Rules:
    return accounts.Rules.of(
        rules.direction,
        rules.exit_on,
        fee_pct=rules.fee_pct,
        slippage_pct=rules.slippage_pct,
        init_cash_quote=rules.init_cash_quote,
        budget_quote=rules.budget_quote if rules.sizing.startswith("strategy_compound") else None,
        fixed_quote=rules.fixed_quote if rules.sizing == "fixed_quote" else None,
        safe_profit_pct=rules.safe_profit_percent if rules.sizing == "strategy_compound_profit_lock" else 0.0,
    )


def signal_flags(signal: str) -> np.ndarray:
    """`L`, `S`, `.` and `X` (both) as long and short flags `(2, n)`."""
    return np.array([[mark in "LX" for mark in signal], [mark in "SX" for mark in signal]])


# They divide by a difference of nearly equal equities (costs of 0.01 %), which leaves 4 of 16 digits to rounding.
RATIOS = {"SQN", "Sharpe Ratio", "Sortino Ratio", "Calmar Ratio"}


def assert_close(got, expected, name: str) -> None:
    if expected is None or isinstance(expected, int | str):
        assert got == expected, name
    else:
        assert got is not None, name
        assert got == pytest.approx(expected, rel=1e-10 if name in RATIOS else 1e-12, abs=1e-12), name


class Grid:
    """Base variants over some closes, and the combinations of some stop levels."""

    def __init__(
        self,
        closes,
        axes,
        rules: oracle.Rules,
        stop_losses=(),
        take_profits=(),
        gaps=(),
        fills=None,
        more: Mapping[int, Sequence[float]] | None = None,
        atr=None,
        sizes: Sizes | None = None,
        volatility=None,
    ) -> None:
        """
        Args:
            more: levels of other kinds, with which combinations are tuples of a level of each kind.
            sizes: those measured by risk, whose parts are then the last of each tuple.
        """
        self.close, self.axes, self.rules = np.array(closes, float), axes, rules
        self.terms = kernel_rules(rules)
        self.sizes = np.array([len(axis) for axis in axes])
        self.offsets = np.cumsum([0, *self.sizes[:-1]])
        self._chunks = [np.stack([pack(signal_flags(signal)) for signal in axis]) for axis in axes]
        self.planes = PlaneGrid(plane_addresses(self._chunks), self.offsets, self.sizes)
        self.prices = Prices.over(self.close, self.terms.slippage, gaps, fills, atr, volatility)
        kinds = {SL_PCT: stop_losses, TP_PCT: take_profits, **(more or {})}
        combinations = list(product(*(kinds.get(kind) or [None] for kind in range(KINDS))))
        self.levels = [one if more is not None else (one[SL_PCT], one[TP_PCT]) for one in combinations]
        if sizes is not None:
            self.levels = [(*one, part) for one in self.levels for part in sizes.parts.tolist()]
        self.stops = self.tables(kinds, sizes)

    def tables(self, levels_of, sizes: Sizes | None = None) -> Stops:
        sides = {"long-only": [LONG], "short-only": [SHORT], "long-short": [LONG, SHORT]}[self.rules.direction]
        n_words = self._chunks[0].shape[2]
        entries = EntryBars.among(self.planes, n_words)
        wanted = [
            StopTable(side, kind, levels[first : first + BLOCK_LEVELS])
            for kind, levels in sorted(levels_of.items())
            if kind != MAX_BARS
            for first in range(0, len(levels), BLOCK_LEVELS)
            for side in sides
        ]
        self._tables = passages(self.prices, self.terms.slippage, wanted, entries)
        return Stops.of(row_addresses([table[None] for table in self._tables]), levels_of, entries, sizes)

    def rank(self, bases=None, first=0, last=None, pruning=None) -> Outcomes:
        """The outcomes of the combinations `[first, last)`; of all without them."""
        bases = np.arange(self.sizes.prod()) if bases is None else np.array(bases)
        last = len(bases) * len(self.levels) if last is None else last
        outcomes = Outcomes.for_variants(last - first)
        rank_combinations(self.planes, bases, self.stops, first, self.prices, self.terms, outcomes, pruning)
        return outcomes

    def only(self, base: int) -> PlaneGrid:
        """The grid of one base variant alone."""
        return PlaneGrid.of_variant(self.planes.addresses[self.offsets + np.unravel_index(base, self.sizes)])

    def trades(self, base: int, levels: tuple[float | None, float | None]):
        combination = self.levels.index(levels)
        return trades_under(self.only(base), self.stops, combination, self.prices, self.terms)

    def oracle_run(self, base: int, levels: tuple[float | None, float | None]) -> oracle.Run:
        digits = np.unravel_index(base, self.sizes)
        chosen = [signal_flags(axis[digit]) for axis, digit in zip(self.axes, digits, strict=True)]
        rules = replace(self.rules, sl_pct=levels[0], tp_pct=levels[1])
        closes, gaps = self.close.tolist(), self.prices.gaps.tolist()
        return oracle.simulate([f[0] for f in chosen], [f[1] for f in chosen], closes, rules, gaps=gaps)

    def check(self) -> None:
        """Every combination of every base variant equals the oracle's, trade by trade."""
        outcomes = self.rank()
        for at, (base, levels) in enumerate(product(range(self.sizes.prod()), self.levels)):
            expected = self.oracle_run(base, levels)
            trades, seen = self.trades(base, levels)
            assert (len(expected.trades), expected.conflicts) == (outcomes.trades[at], outcomes.conflicts[at])
            assert (trades.size, seen) == (outcomes.trades[at], outcomes.conflicts[at])
            assert_close(outcomes.total_return_pct[at], expected.total_return_pct, "total return")
            for row, trade in zip(trades, expected.trades, strict=True):
                assert EXIT_REASONS[row["exit_reason"]] == trade.exit_reason
                for name in trades.dtype.names[:-2]:
                    assert_close(row[name].item(), getattr(trade, name), name)
