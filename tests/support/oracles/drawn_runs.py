"""Live runs drawn from a seed: prices, truths of conditions, rules, stops, gaps; and the backtest of the same."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kernels.bits import pack, plane_addresses, row_addresses
from kernels.live.paper_accounts import Terms
from kernels.pairs import FAILS, HOLDS
from kernels.simulation.accounts import LONG, SHORT
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.exits import SL_PCT, TP_PCT
from kernels.simulation.levels.first_passages import StopTable, passages
from kernels.simulation.levels.stops import Stops
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.prices import Prices
from kernels.simulation.programs import ABSENT, AND, LEAF, OR, Program
from kernels.simulation.under_stops import trades_under
from kernels.simulation.without_stops import trades_of
from tests.support.oracles import oracle
from tests.support.oracles.drawn_cases import drawn_closes, drawn_rules
from tests.support.oracles.oracle_comparison import kernel_rules

LEVELS_PCT = [0.01, 0.3, 1.0, 2.7, 5.0, 17.3, 60.0, 100.0, 400.0]
ALWAYS = 1 << 62


class DrawnRun:
    """A strategy, its conditions as truths: `flags[i, 0]` where condition i holds, `[i, 1]` where it fails.

    Half of them are pairs of long and short signals, half programs, with exits of their own or without.
    """

    def __init__(self, seed: int, n_bars: int) -> None:
        draw = random.Random(seed)
        self.close = np.array(_closes(draw, n_bars))
        self.rules = replace(drawn_rules(draw), sl_pct=_level(draw), tp_pct=_level(draw))
        few = min(n_bars - 1, draw.choice([0, 0, 1, 3, 30]))
        self.gaps = sorted(draw.sample(range(n_bars - 1), few))
        states = draw.choice(["01", "001112", "00111223"])
        self.flags = np.stack([_truths(draw, n_bars, states) for _ in range(draw.choice([1, 1, 2, 3]))])
        self.program = _program(draw, len(self.flags)) if draw.random() < 0.5 else None

    @property
    def terms(self) -> Terms:
        return Terms(kernel_rules(self.rules), self.rules.sl_pct, self.rules.tp_pct)

    @property
    def rows(self) -> list[int]:
        """The rows of truths that the run reads, where no other run has any."""
        return list(range(0, 2 * len(self.flags), 2))

    def backtest(self) -> NDArray[np.void]:
        """The trades of the engine's walk over all bars."""
        rules = kernel_rules(self.rules)
        prices = Prices.over(self.close, rules.slippage, self.gaps)
        chunks = [pack(self.flags)]
        planes = PlaneGrid.of_variant(plane_addresses(chunks), self.program)
        if self.rules.sl_pct is None and self.rules.tp_pct is None:
            return trades_of(planes, prices, rules)[0]
        every = EntryBars.every(self.close.size)
        sides = {"long-only": [LONG], "short-only": [SHORT], "long-short": [LONG, SHORT]}[self.rules.direction]
        levels = ((SL_PCT, self.rules.sl_pct), (TP_PCT, self.rules.tp_pct))
        wanted = [StopTable(side, kind, [level]) for kind, level in levels if level is not None for side in sides]
        tables = passages(prices, rules.slippage, wanted, every)
        chosen = {kind: [level] for kind, level in levels if level is not None}
        stops = Stops.of(row_addresses([table[None] for table in tables]), chosen, every)
        return trades_under(planes, stops, 0, prices, rules)[0]

    @cached_property
    def by_the_bar(self) -> oracle.Run:
        closes, gaps = self.close.tolist(), self.gaps
        if self.program is None:
            return oracle.simulate(*self.flags.swapaxes(0, 1).tolist(), closes, self.rules, gaps=gaps)
        said = self._said(self.program)
        none = np.zeros(self.close.size, bool)
        exits = {side: said[root].tolist() for side, root in ((1, 2), (-1, 3)) if root in said}
        entries = [[said.get(root, none).tolist()] for root in (0, 1)]
        return oracle.simulate(*entries, closes, self.rules, exits, gaps)

    def _said(self, program: Program) -> dict[int, NDArray[np.bool_]]:
        nodes: list[NDArray[np.bool_]] = []
        for kind, left, right, _ in program.nodes.tolist():
            if kind == LEAF:
                nodes.append(self.flags[left, right])
            else:
                nodes.append(nodes[left] & nodes[right] if kind == AND else nodes[left] | nodes[right])
        return {root: nodes[node] for root, node in enumerate(program.roots.tolist()) if node != ABSENT}


def _closes(draw: random.Random, n: int) -> list[float]:
    """Prices with all their digits, of which sums and products round; half of them with leaps that ruin."""
    if draw.random() < 0.5:
        return [close * (1 + draw.random() * 1e-9) for close in drawn_closes(draw, n)]
    closes = [draw.choice([3e-5, 1.0, 70_000.0]) * (1 + draw.random())]
    spread = draw.choice([0.0005, 0.004, 0.03])
    while len(closes) < n:
        closes.append(closes[-1] * (1 + max(-0.9, draw.gauss(0, spread))))
    return closes


def _level(draw: random.Random) -> float | None:
    return None if draw.random() < 0.4 else draw.choice(LEVELS_PCT)


def _truths(draw: random.Random, n: int, states: str) -> NDArray[np.bool_]:
    """A condition bar by bar: `0` holds, `1` fails, `2` unknown, `3` both, as only signals of two sides can be."""
    marks = ""
    while len(marks) < n:
        marks += draw.choice(states) * draw.choice([1, 1, 1, 2, 3, 5, 30])
    return np.array([[mark in "03" for mark in marks[:n]], [mark in "13" for mark in marks[:n]]])


def _program(draw: random.Random, n_leaves: int) -> Program:
    nodes = [(LEAF, leaf, row, ALWAYS) for leaf in range(n_leaves) for row in (HOLDS, FAILS)]
    for _ in range(draw.randrange(5)):
        pair = draw.sample(range(len(nodes)), 2)
        nodes.append((draw.choice([AND, OR]), *pair, ALWAYS))
    shares = (0.8, 0.8, 0.4, 0.4)
    roots = [draw.randrange(len(nodes)) if draw.random() < share else ABSENT for share in shares]
    if roots[:2] == [ABSENT, ABSENT]:
        roots[draw.randrange(2)] = draw.randrange(len(nodes))
    places = np.full((n_leaves, 1), ABSENT)
    return Program(np.array(nodes, np.int64), np.array(roots, np.int64), places, np.empty(0, np.int64))
