"""Programs of conditions with exits of their own, beside the oracle: without stops and under them."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from kernels.bits import pack, plane_addresses, row_addresses
from kernels.simulation.accounts import LONG, SHORT
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.exits import EXIT_REASONS, SL_PCT, TP_PCT
from kernels.simulation.levels.first_passages import StopTable, passages
from kernels.simulation.levels.stops import Stops
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.prices import Prices
from kernels.simulation.programs import ABSENT, AND, LEAF, OR, Program
from kernels.simulation.under_stops import rank_combinations, trades_under
from kernels.simulation.without_stops import rank_range, trades_of
from tests.support.oracles import oracle
from tests.support.oracles.drawn_cases import drawn_closes, drawn_rules
from tests.support.oracles.oracle_comparison import assert_close, kernel_rules

AXES = (2, 3)
LEAF_AXES = ((0,), (1,), (0, 1), ())
ALWAYS = 1 << 62
SIDES = {"long-only": [LONG], "short-only": [SHORT], "long-short": [LONG, SHORT]}


class DrawnProgram:
    """Four leaves over two axes: long entry is a join of two, the others are leaves or what is not in one."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(seed)
        self.draw = draw
        n = draw.choice([3, 12, 64, 65, 150, 300])
        self.n = n
        self.closes = drawn_closes(draw, n)
        self.rules = drawn_rules(draw)
        sizes = [int(np.prod([AXES[axis] for axis in axes], dtype=int)) for axes in LEAF_AXES]
        self.flags = [[self._pair() for _ in range(size)] for size in sizes]
        self.join = draw.choice([AND, OR])
        self.rows = [draw.randrange(2) for _ in LEAF_AXES]
        nodes, masks = [], []
        for leaf, axes in enumerate(LEAF_AXES):
            masks.append(sum(1 << axis for axis in axes))
            nodes.append((LEAF, leaf, self.rows[leaf], masks[-1] | ALWAYS))
        nodes.append((self.join, 0, 1, masks[0] | masks[1] | ALWAYS))
        has = [draw.random() < 0.8, draw.random() < 0.7, draw.random() < 0.7]
        if self.rules.direction == "short-only":
            has[0] = True
        self.roots = [4, *(node if one else ABSENT for node, one in zip((2, 3, 0), has, strict=True))]
        places, steps = np.full((4, 2), ABSENT), []
        for leaf, axes in enumerate(LEAF_AXES):
            stride = 1
            for axis in reversed(axes):
                places[leaf, axis] = len(steps)
                steps += [digit * stride for digit in range(AXES[axis])]
                stride *= AXES[axis]
        self.chunks = [np.stack([pack(pair) for pair in leaf]) for leaf in self.flags]
        offsets = np.cumsum([0, *sizes[:-1]])
        program = Program(np.array(nodes), np.array(self.roots), places, np.array(steps))
        self.grid = PlaneGrid(plane_addresses(self.chunks), offsets, np.array(AXES), program)
        self.terms = kernel_rules(self.rules)
        self.gaps = sorted(self.draw.sample(range(self.n - 1), min(self.n - 1, self.draw.choice([0, 0, 1, 3]))))
        self.prices = Prices.over(np.array(self.closes), self.terms.slippage, self.gaps)

    def _pair(self) -> np.ndarray:
        state: list[int] = []
        while len(state) < self.n:
            state += [self.draw.choice([0, 0, 1, 1, 2])] * self.draw.choice([1, 1, 2, 5, 40])
        known = np.array(state[: self.n])
        return np.array([known == 1, known == 0])

    def _leaf(self, leaf: int, digits: tuple[int, ...]) -> np.ndarray:
        axes = LEAF_AXES[leaf]
        number = (
            int(np.ravel_multi_index([digits[axis] for axis in axes], [AXES[axis] for axis in axes]))
            if axes
            else 0
        )
        return self.flags[leaf][number][self.rows[leaf]]

    def expected(
        self, digits: tuple[int, ...], levels: tuple[float | None, float | None] = (None, None)
    ) -> oracle.Run:
        leaves = [self._leaf(leaf, digits) for leaf in range(4)]
        joined = leaves[0] & leaves[1] if self.join == AND else leaves[0] | leaves[1]
        nodes = [*leaves, joined]
        none = np.zeros(self.n, bool)
        long, short = (nodes[root] if root != ABSENT else none for root in self.roots[:2])
        exits = {side: nodes[root] for side, root in zip((1, -1), self.roots[2:], strict=True) if root != ABSENT}
        rules = replace(self.rules, sl_pct=levels[0], tp_pct=levels[1])
        return oracle.simulate([long], [short], self.closes, rules, exits, self.gaps)

    def only(self, digits: tuple[int, ...]) -> PlaneGrid:
        numbers = []
        for leaf, axes in enumerate(LEAF_AXES):
            inner = [digits[axis] for axis in axes], [AXES[axis] for axis in axes]
            numbers.append(int(self.grid.offsets[leaf]) + (int(np.ravel_multi_index(*inner)) if axes else 0))
        return PlaneGrid.of_variant(self.grid.addresses[numbers], self.grid.program)


def assert_same_trades(trades: np.ndarray, expected: oracle.Run) -> None:
    assert [EXIT_REASONS[row["exit_reason"]] for row in trades] == [trade.exit_reason for trade in expected.trades]
    for row, trade in zip(trades, expected.trades, strict=True):
        for name in trades.dtype.names[:-2]:
            assert_close(row[name].item(), getattr(trade, name), name)


@pytest.mark.parametrize("seed", range(60))
def test_variants_without_stops_equal_the_oracle(seed: int):
    case = DrawnProgram(seed)
    outcomes = Outcomes.for_variants(case.grid.variants)
    rank_range(case.grid, 0, case.prices, case.terms, outcomes)
    for index, digits in enumerate(product(*map(range, AXES))):
        expected = case.expected(digits)
        trades, conflicts = trades_of(case.only(digits), case.prices, case.terms)
        assert (len(expected.trades), expected.conflicts) == (outcomes.trades[index], outcomes.conflicts[index])
        assert (trades.size, conflicts) == (outcomes.trades[index], outcomes.conflicts[index])
        assert_close(outcomes.total_return_pct[index], expected.total_return_pct, "total return")
        assert_same_trades(trades, expected)


@pytest.mark.parametrize("seed", range(60, 100))
def test_variants_under_stops_equal_the_oracle(seed: int):
    case = DrawnProgram(seed)
    losses, profits = (1.0, 8.0), (2.0, 15.0)
    entries = EntryBars.among(case.grid, case.chunks[0].shape[2])
    tables = [
        StopTable(side, kind, levels)
        for kind, levels in ((SL_PCT, losses), (TP_PCT, profits))
        for side in SIDES[case.rules.direction]
    ]
    made = passages(case.prices, case.terms.slippage, tables, entries)
    stops = Stops.of(row_addresses([table[None] for table in made]), {SL_PCT: losses, TP_PCT: profits}, entries)
    bases = np.arange(case.grid.variants)
    outcomes = Outcomes.for_variants(4 * bases.size)
    rank_combinations(case.grid, bases, stops, 0, case.prices, case.terms, outcomes)
    variants = product(product(*map(range, AXES)), enumerate(product(losses, profits)))
    for index, (digits, (combination, levels)) in enumerate(variants):
        expected = case.expected(digits, levels)
        assert (len(expected.trades), expected.conflicts) == (outcomes.trades[index], outcomes.conflicts[index])
        assert_close(outcomes.total_return_pct[index], expected.total_return_pct, "total return")
        trades, _ = trades_under(case.only(digits), stops, combination, case.prices, case.terms)
        assert_same_trades(trades, expected)


def test_a_program_that_does_not_fit_its_planes_is_refused():
    case = DrawnProgram(0)
    with pytest.raises(ValueError, match="for 3 leaves"):
        case.grid._replace(offsets=case.grid.offsets[:3]).check()
