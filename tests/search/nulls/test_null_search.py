"""Null models beside plain Python: the best of each history by the oracle, and slices that join to the whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from candleray.backtests.chance.luck import History
from candleray.backtests.chance.null_model import NullModel, NullQuery, joined
from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles
from candleray.errors import GuardExceeded, InvalidInput
from candleray.search.nulls.histories import history
from candleray.search.nulls.null_search import nulls, of_best
from candleray.settings import Settings
from candleray.work_elsewhere import on_a_thread
from tests.support.api.in_process_api import random_walk
from tests.support.oracles import oracle
from tests.support.searches import MinutesInMemory, bars_over, search_over

SETTINGS = Settings(environment="test")
WALK = random_walk(3000)
WINDOWS = (5, 10, 20)
SEARCH: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-01T20:00:00Z", "end": "2025-01-03T00:00:00Z"},
    "let": {"mean": {"id": "sma", "params": {"window": {"values": list(WINDOWS)}}}},
    "signals": {"long_entry": {"above": [{"price": "close"}, "mean"]}},
    "direction": "long-only",
    "exit_on": "neutral",
    "fee_pct": 0.02,
    "slippage_pct": 0.0,
}


def null(walk: Candles = WALK, settings: Settings = SETTINGS, **query: Any) -> NullModel:
    request = of_best(BacktestRequest.model_validate({**SEARCH, **query.pop("search", {})}), settings)
    result = search_over(walk, request, settings.backtests.warmup_bars)
    return asyncio.run(nulls(result, NullQuery(**query), MinutesInMemory(walk), settings, on_a_thread))


def naive_best(closes: list[float], first: int) -> float:
    """Return the best total return of the three averages, made of plain sums."""
    rules = oracle.Rules("long-only", "neutral", fee_pct=0.02)
    totals = []
    for window in WINDOWS:
        above = [closes[t] > sum(closes[t - window + 1 : t + 1]) / window for t in range(first, len(closes))]
        totals.append(oracle.simulate([above], [[False] * len(above)], closes[first:], rules).total_return_pct)
    return max(totals)


@pytest.mark.parametrize("kind", list(History))
def test_luck_is_the_best_of_the_same_search_over_each_history(kind: History):
    told = null(model=kind, walks=4, seed=3, first=2)
    bars = bars_over(WALK, told.request, SETTINGS.backtests.warmup_bars)
    assert told.best == pytest.approx(naive_best(bars.candles.column("close").tolist(), bars.start), rel=1e-9)
    for number, best in zip(range(2, 6), told.luck, strict=True):
        made = history(bars, kind, 3, number)
        assert best == pytest.approx(naive_best(made.candles.column("close").tolist(), bars.start), rel=1e-9)
    assert told.reached == sum(best >= told.best for best in told.luck)


def test_slices_that_follow_one_another_join_to_the_bytes_of_the_whole():
    whole = null(walks=7, seed=1)
    parts = [null(walks=walks, seed=1, first=first) for first, walks in ((0, 1), (1, 4), (5, 2))]
    assert joined(parts).model_dump_json() == whole.model_dump_json()
    with pytest.raises(ValueError, match="histories from 5 on do not follow those up to 1"):
        joined([parts[0], parts[2]])
    with pytest.raises(ValueError, match="of the same search"):
        joined([parts[0], null(walks=1, seed=2, first=1)])


def test_an_edge_is_beyond_what_luck_reaches():
    trending = random_walk(3000)
    wave = [1 + 0.3 * abs(minute % 480 / 240 - 1) for minute in range(3000)]  # up and down in eight hours
    trending.values[:4] *= wave
    told = null(trending, walks=20)
    assert (told.reached, told.p) == (0, 1 / 21)
    assert "in 0 of 20 random walks with the volatility of these candles: p 0.048" in told.summary[0]


def test_a_search_that_ranks_by_a_metric_is_held_against_that_metric():
    told = null(walks=3, search={"rank_by": "max_drawdown"})
    assert told.metric == "Max. Drawdown [%]"
    assert told.best is not None
    assert told.reached == sum(best <= told.best for best in told.luck if best is not None)


def test_a_search_in_which_nothing_ranks_is_reached_by_all():
    told = null(walks=2, search={"min_trades": 5000})
    assert (told.best, told.luck, told.p, told.histogram) == (None, (None, None), 1.0, None)
    assert told.summary[0].startswith("No variant ranks over the candles")


def test_conditions_on_other_candles_are_refused():
    signals = {"long_entry": {"above": [{"price": "close", "timeframe": "1h"}, "mean"]}}
    with pytest.raises(InvalidInput, match="read another timeframe or instrument"):
        null(search={"signals": signals})


def test_more_histories_than_time_or_room_are_refused():
    api = SETTINGS.api.model_copy(update={"backtest_timeout_s": 1e-3})
    with pytest.raises(GuardExceeded, match="ask for fewer walks, and for those that follow by first"):
        null(settings=SETTINGS.model_copy(update={"api": api}), walks=2000)
    guards = SETTINGS.guards.model_copy(update={"max_compute_bytes": 20_000})
    with pytest.raises(GuardExceeded, match="2 histories of chance at once: compute_bytes"):
        null(settings=SETTINGS.model_copy(update={"guards": guards}))
