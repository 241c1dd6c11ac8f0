"""Truths: on which bars each condition of one variant's tree holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.sentences import SIDES, Side, entry_of, rule_of
from candleray.backtests.signals.conditions import ConditionNode
from candleray.backtests.signals.nodes import Place
from candleray.backtests.signals.signals import Signals
from candleray.candles import IntArray
from candleray.search.bars import Bars
from candleray.search.engine import planes_of
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.things import ExpressionBuilder
from candleray.search.variants import VariantGrid
from kernels import pairs
from kernels.bits import unpack
from kernels.pairs import FAILS, HOLDS, Pair

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """A condition at its place, the bars on which it holds, and those of its parts."""

    place: Place
    node: ConditionNode
    pair: Pair
    parts: tuple[Truth, ...] = ()

    @property
    def path(self) -> str:
        return ".".join(map(str, self.place))

    @property
    def true_bars(self) -> int:
        return int(np.bitwise_count(self.pair[HOLDS]).sum())

    @property
    def false_bars(self) -> int:
        return int(np.bitwise_count(self.pair[FAILS]).sum())

    def flags(self, bars: int) -> Flags:
        return unpack(self.pair[HOLDS], bars)

    def whole(self) -> Iterator[Truth]:
        """Yield itself and all its parts."""
        yield self
        for part in self.parts:
            yield from part.whole()


def truths_of(bars: Bars, grid: VariantGrid, default_warmup: int) -> Mapping[str, Truth]:
    """Return the truths of the conditions that open and close positions, by name; the grid has one variant."""
    if grid.request.signals is None:
        return _of_indicators(bars, grid, default_warmup)
    builder, evaluator = ExpressionBuilder(grid.request), Evaluator(bars, default_warmup)

    def truth(node: Any, place: Place) -> Truth:
        parts = tuple(
            truth(part, (*place, *inner)) for inner, part in node.parts() if isinstance(part, ConditionNode)
        )
        return Truth(place, node, evaluator.plane(builder.conditions[place]), parts)

    signals = grid.request.signals
    return {
        name: truth(signal, ("signals", name))
        for name in Signals.model_fields
        if (signal := getattr(signals, name)) is not None
    }


def _of_indicators(bars: Bars, grid: VariantGrid, default_warmup: int) -> dict[str, Truth]:
    planes = planes_of(bars, grid, 0, grid.planes, default_warmup)
    every = pairs.constant(True, False, bars.count)[HOLDS]
    found = {}
    for row, side in enumerate(SIDES):
        rules = tuple(
            Truth(
                ("indicators", at),
                rule_of(grid.request, at, side),
                np.stack([plane[row], every & ~plane[row]]),
            )
            for at, plane in enumerate(planes)
        )
        joined = rules[0].pair
        for rule in rules[1:]:
            joined = pairs.both(joined, rule.pair)
        entry = entry_of(grid.request, side)
        assert entry is not None
        found[f"{side}_entry"] = rules[0] if len(rules) == 1 else Truth(("indicators",), entry, joined, rules)
    return found


def opening_bars(truths: Mapping[str, Truth], bars: int, direction: str, gaps: IntArray) -> dict[Side, Flags]:
    """Return, by side, the bars that may open a position.

    The side's condition becomes true there, the other's is not true, nor is the side's exit; the last bar opens
    nothing, nor do those before gaps.
    """
    none = np.zeros(bars, bool)
    held = {name: truth.flags(bars) for name, truth in truths.items()}
    longs, shorts = held.get("long_entry", none), held.get("short_entry", none)
    found: dict[Side, Flags] = {}
    for side, own, other in zip(SIDES, (longs, shorts), (shorts, longs), strict=True):
        if direction not in (f"{side}-only", "long-short") or f"{side}_entry" not in held:
            continue
        final = own & ~other
        fresh = final & ~np.concatenate([[False], final[:-1]]) & ~held.get(f"{side}_exit", none)
        fresh[-1:] = False
        fresh[gaps] = False
        found[side] = fresh
    return found
