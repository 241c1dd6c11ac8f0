"""Walk-forward of a search: the best of the blocks so far, walked alone over the block that comes after them.

Sixteen blocks make twelve folds. The variant that a fold chooses is another account over its block: it begins
flat, so nothing of a position that chose it goes on, trades nothing within the embargo, and is closed at the end.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from candleray.backtests.request import BacktestRequest
from candleray.backtests.verdict import Verdict, WalkForward, WalkForwardFold
from candleray.search import engine
from candleray.search.bars import Bars
from candleray.search.judged.verdicts import strategy_of
from candleray.search.rankings import Ranking
from candleray.search.retraced import Retracing
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import DAY_MS, from_ms
from candleray.trust.evidence import Evidence
from kernels.bits import WORD_BITS, pack, unpack
from kernels.simulation.marks import block_ends
from kernels.trust.blocks import UNIT
from kernels.trust.winners import FIRST_PREFIX

EMBARGO_MS = DAY_MS

LEAST_SHARE = 4
"""An embargo is no more than a quarter of a block."""


def with_walk_forward(
    bars: Bars, grid: VariantGrid, ranking: Ranking, verdict: Verdict | None, defaults: BacktestSettings
) -> Verdict | None:
    """Return the verdict with its walk-forward, where it says anything.

    Args:
        ranking: of the sweep that is judged.
    """
    if verdict is None or verdict.says is None or ranking.evidence is None:
        return verdict
    return verdict.model_copy(update={"walk_forward": walk_forward_of(bars, grid, ranking.evidence, defaults)})


def walk_forward_of(bars: Bars, grid: VariantGrid, evidence: Evidence, defaults: BacktestSettings) -> WalkForward:
    """Return the walk-forward of variants at least one of which traded."""
    ends = block_ends(bars.count)
    embargo = min(EMBARGO_MS // bars.bar_ms, int(np.diff(ends).min()) // LEAST_SHARE)
    chosen: dict[int, _Chosen] = {}
    folds = []
    for place, index in enumerate(evidence.prefixes.indices.tolist()):
        winner = chosen.setdefault(index, _Chosen(bars, grid, index, defaults))
        first, last = int(ends[FIRST_PREFIX + place - 1]) + 1 + embargo, int(ends[FIRST_PREFIX + place])
        before = math.exp(int(evidence.prefixes.sums[place]) * UNIT)
        folds.append(_fold(bars, winner, first, last, before))
    return WalkForward.of(embargo, folds)


def _fold(bars: Bars, winner: _Chosen, first: int, last: int, before: float) -> WalkForwardFold:
    trades, growth = winner.over(first, last)
    return WalkForwardFold(
        start=from_ms(int(bars.ts_open_ms[first])),
        end=from_ms(int(bars.ts_open_ms[last]) + bars.bar_ms),
        variant_index=winner.index,
        chosen_return_pct=_percent(before),
        return_pct=_percent(growth),
        trades=trades,
    )


def _percent(growth: float) -> float:
    return round((growth - 1) * 100, 4)


class _Chosen:
    """A variant that some folds choose: its planes are made once, over the whole range."""

    def __init__(self, bars: Bars, grid: VariantGrid, index: int, defaults: BacktestSettings) -> None:
        self.index, self._bars, self._defaults = index, bars, defaults
        self._strategy = strategy_of(grid, index)

    @cached_property
    def _grid(self) -> VariantGrid:
        return VariantGrid(resolve(BacktestRequest.model_validate(self._strategy), self._defaults))

    @cached_property
    def _planes(self) -> engine.PlaneArray:
        return engine.planes_of(self._bars, self._grid, 0, self._grid.planes, self._defaults.warmup_bars)

    def _planes_over(self, first: int, last: int) -> engine.Planes:
        """Return the signals of some bars of the range, as planes of their own."""
        word = first // WORD_BITS
        some = unpack(self._planes[..., word : last // WORD_BITS + 1], last + 1 - WORD_BITS * word)
        return engine.Planes.over([pack(some[..., first - WORD_BITS * word :])])

    def over(self, first: int, last: int) -> tuple[int, float]:
        """Return how many trades it makes on these bars alone, and what they make of one unit of cash."""
        bars = self._bars.some(first, last, self._grid.request.history_bars)
        planes = self._planes_over(first, last)
        tables = engine.all_tables(bars, self._grid, planes) if self._grid.has_stage_b else None
        prices = engine.prices_of(bars, self._grid)
        retracing = Retracing.of(bars, self._grid, planes.addresses, tables, prices)
        trades = retracing.trades(0)
        if not trades.size:
            return 0, 1.0
        return trades.size, float(trades["equity_quote"][-1]) / retracing.rules.init_cash_quote
