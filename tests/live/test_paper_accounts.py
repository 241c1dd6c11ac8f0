"""Strategies as paper accounts: stepped bar by bar they trade what a backtest of the same bars trades."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.live.paper_accounts import PaperAccounts, PaperRun
from candleray.search.bars import Bars
from candleray.search.engine import Planes, all_tables, planes_of, prices_of
from candleray.search.retraced import Retracing
from candleray.search.signals.evaluator import Evaluator
from candleray.search.variants import VariantGrid
from kernels.bits import pack, unpack
from kernels.live.steps import Tapes
from kernels.live.trade_events import CLOSED
from kernels.simulation.exits import EXIT_LAST_BAR
from tests.support.oracles.signal_comparison import Case
from tests.support.sample_search import CANDLES, WARMUP, resolved
from tests.support.searches import bars_over

PRICE = {"price": "close"}
FAST, SLOW = {"id": "ema", "params": {"window": 5}}, {"id": "ema", "params": {"window": 20}}
INDICATORS = [
    {"id": "sma", "params": {"window": 30}},
    {"id": "rsi", "params": {"window": 14}, "signal": {"long_threshold": 60, "short_threshold": 40}},
]
CROSSES = {
    "long_entry": {"all": [{"cross_above": [FAST, SLOW]}, {"below": [{"id": "adx"}, 40]}]},
    "short_entry": {"cross_below": [FAST, SLOW]},
    "long_exit": {"any": [{"cross_below": [PRICE, SLOW]}, {"rule": "rsi", "side": "short"}]},
}
FILTERED = {
    "long_entry": {
        "all": [
            {"above": [PRICE, {"id": "sma", "timeframe": "15m", "params": {"window": 5}}]},
            {"not": {"held_for": [{"falling": [PRICE, 1]}, 2]}},
        ]
    },
    "short_entry": {"within_last": [{"below": [FAST, SLOW]}, 3]},
}


def backtest(bars: Bars, grid: VariantGrid, warmup: int) -> np.ndarray:
    planes = Planes.over([planes_of(bars, grid, 0, grid.planes, warmup)])
    tables = all_tables(bars, grid, planes) if grid.has_stops else None
    return Retracing.of(bars, grid, planes.addresses, tables, prices_of(bars, grid)).trades(0)


def truths_of(bars: Bars, grid: VariantGrid, warmup: int) -> np.ndarray:
    """Tell if each condition holds, and if it fails: `(conditions, 2, n)`, whichever rows a search keeps."""
    if grid.request.signals is None:
        return unpack(planes_of(bars, grid, 0, grid.planes, warmup), bars.count)
    evaluator = Evaluator(bars, warmup)
    return unpack(np.stack([evaluator.plane(leaf.at(0)) for leaf in grid.groups]), bars.count)


def stepped(bars: Bars, grid: VariantGrid, warmup: int, a_step: int) -> np.ndarray:
    """The closed trades of the strategy's account, taken so many bars at a time."""
    flags = truths_of(bars, grid, warmup)
    # Its conditions are the last of those that are told.
    others = np.ones((3, 2, bars.count), bool)
    told = np.concatenate([others, flags])
    accounts = PaperAccounts.of([PaperRun(grid, range(3, 3 + len(flags)))])
    one, events = np.zeros(1, np.int64), []
    for first in range(0, bars.count, a_step):
        stop = min(bars.count, first + a_step)
        numbers = np.arange(first, stop)
        after_gap = np.isin(numbers - 1, bars.gaps).astype(np.uint8)
        tapes = Tapes(numbers[None], bars.close[None, first:stop], after_gap[None])
        events.append(accounts.step(one, one, tapes, pack(told[:, :, first:stop])).events)
    every = np.concatenate(events)
    return every[every["kind"] == CLOSED]


def check(bars: Bars, grid: VariantGrid, warmup: int, a_step: int) -> int:
    """Hold the closed trades against the backtest's but for the one that the end has closed; return how many."""
    expected, closed = backtest(bars, grid, warmup), stepped(bars, grid, warmup, a_step)
    if expected.size and expected["exit_reason"][-1] == EXIT_LAST_BAR:
        expected = expected[:-1]
    assert closed.size == expected.size
    for name in expected.dtype.names:
        assert closed[name].tobytes() == expected[name].tobytes(), name
    return closed.size


@pytest.mark.parametrize("risk", [{}, {"sl_pct": 0.4}, {"sl_pct": 0.3, "tp_pct": 0.7}], ids=str)
@pytest.mark.parametrize("exit_on", ["opposite", "neutral"])
@pytest.mark.parametrize(
    "part",
    [{"indicators": INDICATORS}, {"signals": CROSSES}, {"signals": FILTERED}],
    ids=["indicators", "crosses", "filtered"],
)
def test_a_strategy_s_account_makes_the_trades_of_its_backtest(part: Any, exit_on: str, risk: Any):
    alone = {"indicators": None, "top_k": 1, "trades_for": 1}
    request = resolved(**{**alone, "direction": "long-short", **part, "exit_on": exit_on, "risk": risk})
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    assert check(bars, grid, WARMUP, 64) > 10


@pytest.mark.parametrize("seed", range(40))
def test_drawn_conditions_over_candles_with_holes_trade_as_their_backtest(seed: int):
    case = Case(seed)
    check(case.bars(), case.grid, case.defaults.warmup_bars, 1)


def test_one_row_of_a_pair_may_be_all_that_the_strategy_s_program_means():
    """A search keeps one row of each pair where no condition is read both ways; a run is told both."""
    one_way = {"long_entry": {"not": {"above": [FAST, SLOW]}}}
    request = resolved(indicators=None, signals=one_way, top_k=1, trades_for=1)
    run = PaperRun(VariantGrid(request), [5])
    assert (run.grid.numbering.plane_rows, run.rows) == (1, [11])


def test_a_grid_or_too_few_truths_make_no_run():
    grid = VariantGrid(resolved())
    with pytest.raises(ValueError, match="one variant with a truth for each of its 2 conditions"):
        PaperAccounts.of([PaperRun(grid, [0, 1])])
    alone = VariantGrid(resolved(indicators=INDICATORS, top_k=1, trades_for=1))
    with pytest.raises(ValueError, match="1 variants, 1 truths"):
        PaperAccounts.of([PaperRun(alone, [0])])
