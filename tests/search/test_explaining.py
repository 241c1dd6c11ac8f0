"""Explanations: how often conditions are true, where positions may open, and what keeps them from it."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from candleray.backtests.explanation import Explanation
from candleray.candles import Candles
from candleray.errors import GuardExceeded, InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search.explaining import explained
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings, GuardSettings, Settings
from tests.support.oracles.naive_signals import NaiveSignals
from tests.support.sample_search import CANDLES, WARMUP
from tests.support.searches import MinutesInMemory, search_over

LET = {
    "fast": {"id": "ema", "params": {"window": {"values": [5, 12]}}},
    "slow": {"id": "ema", "params": {"window": 40}},
    "quarter": {"id": "sma", "timeframe": "15m", "params": {"window": 5}},
}
CLOSE = {"price": "close"}
SIGNALS = {
    "long_entry": {
        "all": [
            {"any": [{"cross_above": ["fast", "slow"]}, {"within_last": [{"rising": [CLOSE, 4]}, 3]}]},
            {"not": {"above": [{"id": "adx"}, 60]}},
            {"above": [CLOSE, "quarter"]},
        ]
    },
    "long_exit": {"cross_below": ["fast", "slow"]},
    "short_entry": {"held_for": [{"below": ["fast", "slow"]}, {"values": [2, 10]}]},
}
ABOVE, BELOW = {"above": [CLOSE, "slow"]}, {"below": [CLOSE, "slow"]}
ALWAYS, NEVER = {"above": [CLOSE, 1]}, {"above": [CLOSE, 1e6]}


def settings(**guards: Any) -> Settings:
    backtests = BacktestSettings(warmup_bars=WARMUP)
    return Settings(environment="test", backtests=backtests, guards=GuardSettings().model_copy(update=guards))


def content(**changes: Any) -> dict[str, Any]:
    return {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1m",
        "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T12:00:00Z"},
        "let": LET,
        "signals": SIGNALS,
        **changes,
    }


def explain(variant_index: int = 0, chosen: Settings | None = None, **changes: Any) -> Explanation:
    asked = get_request_models().validated_request(content(**changes))
    return asyncio.run(explained(asked, variant_index, MinutesInMemory(CANDLES), chosen or settings()))


def at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree[int(key) if isinstance(tree, list) else key]
    return tree


@pytest.mark.parametrize("variant_index", [0, 3])
def test_each_condition_of_the_tree_is_counted_as_the_naive_evaluator_counts_it(variant_index: int):
    told = explain(variant_index)
    minutes = (CANDLES.ts_open_ms.tolist(), [tuple(row) for row in CANDLES.values.T.tolist()])
    naive = NaiveSignals(told.strategy, {(1, "BTCUSDT"): minutes}, WARMUP)
    span = get_request_models().validated_request(content()).time_range
    paths = [one.path for one in told.conditions]
    assert len(paths) == len(set(paths)) == 11
    for one in told.conditions:
        truths = naive.of_range(span.start_ms, span.end_ms, at(told.strategy, one.path))
        assert (one.true_bars, one.unknown_bars) == (truths.count(True), truths.count(None)), one.path
        assert one.true_pct == pytest.approx(100 * truths.count(True) / told.bars)


CASES: dict[str, dict[str, Any]] = {
    "exits": {},
    "long-only": {"direction": "long-only"},
    "no exits": {"signals": {name: SIGNALS[name] for name in ("long_entry", "short_entry")}},
    "indicators": {"let": {}, "signals": None, "indicators": [{"id": "sma"}, {"id": "ema"}], "exit_on": "neutral"},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_positions_open_on_bars_that_may_open_one_the_first_of_them_on_the_first(changes: dict[str, Any]):
    told = explain(**changes)
    one = resolve(get_request_models().validated_request({**told.strategy, "trades_for": 1}), BacktestSettings())
    trades = search_over(CANDLES, one, WARMUP).top[0].trades
    assert trades
    first = told.first_signals[0]
    assert (first.side, first.time) == (trades[0].side, trades[0].entry_time)
    assert len(trades) <= sum(told.signal_bars.values())
    assert told.blockers == ()
    times = [signal.time for signal in told.first_signals]
    assert times == sorted(times)
    assert len(times) == 5


def blocked(entry: Any, **changes: Any) -> list[tuple[str, str]]:
    told = explain(**{"direction": "long-only", "signals": {"long_entry": entry, **changes}})
    assert told.signal_bars["long"] == 0
    assert told.first_signals == ()
    return [(one.path, one.message) for one in told.blockers]


def test_a_condition_that_is_never_true_is_blamed_with_what_there_is_without_it():
    count = next(one.true_bars for one in explain(signals={"long_entry": ABOVE}).conditions)
    assert blocked({"all": [ABOVE, NEVER]}) == [
        (
            "signals.long_entry.all.1",
            f"true on none of the 3300 bars; without it the others are true on {count}",
        )
    ]


def test_it_is_found_within_other_conditions():
    assert [path for path, _ in blocked({"all": [ABOVE, {"any": [NEVER, {"all": [ALWAYS, NEVER]}]}]})] == [
        "signals.long_entry.all.1.any.0",
        "signals.long_entry.all.1.any.1.all.1",
    ]


def test_conditions_that_are_never_true_together_are_blamed_each():
    found = blocked({"all": [ALWAYS, ABOVE, BELOW]})
    assert [path for path, _ in found] == ["signals.long_entry.all.1", "signals.long_entry.all.2"]
    assert all("on none of them with the others; without it" in message for _, message in found)


def test_an_exit_that_is_true_on_every_entry_is_blamed():
    ((path, message),) = blocked(ABOVE, long_exit=ALWAYS)
    assert path == "signals.long_exit"
    assert message.endswith("bars on which the long entry begins")


def test_an_opposite_entry_that_is_true_at_the_same_time_is_blamed():
    ((path, message),) = blocked(ABOVE, short_entry=ALWAYS)
    assert path == "signals.short_entry"
    assert message.endswith("bars on which the long entry is true")


def test_a_value_that_is_missing_on_every_bar_is_told_apart_from_a_condition_that_fails():
    vast = {"above": [{"id": "sma", "params": {"window": 20_000}}, 1]}
    assert blocked(vast) == [
        ("signals.long_entry", "can be told on none of the 3300 bars: a value that it reads is missing")
    ]


def test_a_request_with_indicators_is_explained_by_its_rules():
    told = explain(let={}, signals=None, indicators=[{"id": "rsi"}, {"id": "sma"}])
    rows = [(one.path, one.words.partition(" (")[0]) for one in told.conditions]
    assert rows[1:3] == [("indicators.0", "RSI(14) says long"), ("indicators.1", "SMA(20) says long")]
    assert [path for path, _ in rows] == 2 * ["indicators", "indicators.0", "indicators.1"]
    assert [note.partition(":")[0] for note in told.notes] == ["the rule of rsi", "the rule of sma"]


def test_a_grid_is_said_with_its_axes_and_looked_at_by_one_variant():
    told = explain(2)
    assert "EMA(5 or 12)" in told.sentences[0]
    assert "EMA(12)" in told.variant_sentences[0]
    assert (told.variants_total, told.strategy["let"]["fast"]["params"]["window"]) == (4, 12)


def test_a_variant_that_is_not_there_is_refused():
    with pytest.raises(InvalidInput, match="there is no variant 4: the request has variants 0 to 3"):
        explain(4)


def test_the_guards_are_asked_about_the_variant_alone():
    tens = {"start": 1, "stop": 1000, "step": 1}
    many = {"all": [{"above": [CLOSE, tens]}, {"below": [CLOSE, tens]}, {"above": [{"price": "high"}, tens]}]}
    assert explain(signals={"long_entry": many}).variants_total == 10**9
    with pytest.raises(GuardExceeded, match="compute_bytes"):
        explain(chosen=settings(max_compute_bytes=1000))


def test_the_last_bar_before_a_long_hole_opens_nothing():
    minutes = CANDLES.ts_open_ms
    kept = (minutes < minutes[0] + 30 * 3_600_000) | (minutes >= minutes[0] + 56 * 3_600_000)
    holed = MinutesInMemory(Candles(minutes[kept], np.ascontiguousarray(CANDLES.values[:, kept])))
    before = {"all": [{"above": [{"time": "hour"}, 4]}, {"below": [{"time": "hour"}, 6]}]}
    asked = content(timeframe="1h", let={}, signals={"long_entry": before}, direction="long-only", allow_gaps=True)
    asked["time_range"] = {"start": "2025-01-02T00:00:00Z", "end": "2025-01-03T12:00:00Z"}
    for over, bars in (("close", 0), ("hold", 1)):
        request = get_request_models().validated_request({**asked, "over_gaps": over})
        told = asyncio.run(explained(request, 0, holed, settings()))
        assert told.signal_bars == {"long": bars}
        words = "none opens on the last bar before one" if over == "close" else "positions are held over the hole"
        # After those on the candles, as in a result.
        assert ["over_gaps: " in note and words in note for note in told.notes] == [False, False, True]
        assert ["before a long hole" in one.message for one in told.blockers] == [True] * (1 - bars)
