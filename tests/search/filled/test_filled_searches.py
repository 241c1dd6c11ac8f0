"""Whole searches under other fills than at closes, against a clock of minutes, and what their answers say."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from candleray.backtests.result import BacktestResult
from candleray.backtests.sentences import sentences
from candleray.candles import Candles
from candleray.errors import InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search.estimate import compute_bytes
from candleray.search.variants import VariantGrid, request_hash, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS, iso
from tests.support.oracles.naive_fills import Bar, Clock, Exits, Minute, Policy, trade
from tests.support.oracles.oracle import Rules
from tests.support.sample_search import START_MS, WARMUP, numbers_of, resolved
from tests.support.searches import search_over

INTRABAR = {"entry": "next_open", "stops": "intrabar"}
RSI = {
    "id": "rsi",
    "params": {"window": {"values": [5, 9]}},
    "signal": {"long_threshold": 45, "short_threshold": 55},
}
FAST = {**RSI, "params": {"window": 5}}
ASKED = {
    "timeframe": "15m",
    "time_range": {"start": "2025-01-02", "end": "2025-01-12"},
    "indicators": [RSI],
    "allow_gaps": True,
}


def holed_walk(minutes: int, missing: int, seed: int = 3) -> Candles:
    """A walk whose minutes reach far and leap, of which some are missing."""
    random = np.random.default_rng(seed)
    steps = random.normal(0, 0.002, minutes) + random.choice([0, 0.02, -0.02], minutes, p=[0.98, 0.01, 0.01])
    close = 100 * np.exp(np.cumsum(steps))
    open_ = np.concatenate(([100.0], close[:-1])) * (1 + random.choice([0, 0.01], minutes, p=[0.99, 0.01]))
    reach = random.random((2, minutes)) * random.choice([0.001, 0.02], minutes, p=[0.9, 0.1])
    high, low = np.maximum(open_, close) * (1 + reach[0]), np.minimum(open_, close) * (1 - reach[1])
    kept = np.sort(random.permutation(minutes)[missing:])
    values = np.ascontiguousarray(np.array([open_, high, low, close, np.ones(minutes)])[:, kept])
    return Candles(START_MS + kept * MINUTE_MS, values)


CANDLES = holed_walk(15 * 1440, 40)


def searched(fill: dict[str, str] | None, **changes: Any) -> BacktestResult:
    return search_over(CANDLES, resolved(**{**ASKED, "fill": fill, **changes}), WARMUP)


@cache
def whole_bars(minutes: int) -> dict[int, Bar]:
    """The bars that have all of their minutes, by the time they open."""
    found: dict[int, list[Minute]] = {}
    closes: dict[int, float] = {}
    for stamp, row in zip(CANDLES.ts_open_ms.tolist(), CANDLES.values.T.tolist(), strict=True):
        opened = stamp - stamp % (minutes * MINUTE_MS)
        found.setdefault(opened, []).append(Minute(*row[:3]))
        closes[opened] = row[3]
    return {
        opened: Bar(inside[0].open, closes[opened], inside)
        for opened, inside in found.items()
        if len(inside) == minutes
    }


def levels_of_rsi(closes: list[float], window: int, first: int) -> list[int]:
    """Wilder's RSI from the bar `first` on, as the rule of a band: long below 45, short above 55."""
    moves = [later - before for before, later in pairwise(closes[first:])]
    signals = [0] * (first + window)
    gain = sum(max(move, 0.0) for move in moves[:window]) / window
    loss = sum(max(-move, 0.0) for move in moves[:window]) / window
    for place in range(window, len(moves) + 1):
        value = 100.0 if loss == 0 else 100.0 - 100.0 / (1.0 + gain / loss)
        signals.append(1 if value <= 45 else -1 if value >= 55 else 0)
        if place < len(moves):
            gain = (gain * (window - 1) + max(moves[place], 0.0)) / window
            loss = (loss * (window - 1) + max(-moves[place], 0.0)) / window
    return signals


def clock_of(variant: dict[str, Any], fill: dict[str, str], minutes: int, days: int) -> tuple[Clock, list[int]]:
    """The variant by the clock of minutes, and the times at which its bars open."""
    whole = whole_bars(minutes)
    opens = sorted(whole)
    start_ms = START_MS + 1440 * MINUTE_MS
    place = next(at for at, opened in enumerate(opens) if opened >= start_ms)
    stop = next(at for at, opened in enumerate(opens) if opened >= START_MS + (1 + days) * 1440 * MINUTE_MS)
    window = variant["indicators"][0]["params"]["window"]
    closes = [whole[opened].close for opened in opens]
    signals = levels_of_rsi(closes, window, max(0, place - WARMUP))[place:stop]
    rules = Rules(
        direction=variant["direction"],
        exit_on=variant["exit_on"],
        fee_pct=variant["fee_pct"],
        slippage_pct=variant["slippage_pct"],
        init_cash_quote=variant["init_cash_quote"],
        sl_pct=variant["risk"]["sl_pct"],
        tp_pct=variant["risk"]["tp_pct"],
        sizing=variant["sizing"]["mode"],
        part_pct=variant["sizing"].get("risk_pct", variant["sizing"].get("target_pct", 0.0)),
        max_leverage=variant["sizing"].get("max_leverage", 1.0),
    )
    bars, risk = [whole[opened] for opened in opens[place:stop]], variant["risk"]
    exits = Exits(*(risk.get(name) for name in ("sl_atr", "trail_pct", "max_bars", "tp_atr")))
    if exits.sl_atr is not None:
        first = max(0, place - 20 * risk["atr_window"])
        ranges = wilders_ranges([whole[opened] for opened in opens[first:stop]], risk["atr_window"])
        exits = replace(exits, atr=ranges[place - first :])
    if rules.sizing == "volatility_target":
        known = pd.Series(closes).pct_change().rolling(variant["sizing"]["window"]).std() * (1440 / minutes) ** 0.5
        exits = replace(exits, volatility=known[place:stop].tolist())
    return trade(signals, bars, rules, Policy(**fill), exits=exits), opens[place:stop]


def wilders_ranges(bars: list[Bar], window: int) -> list[float]:
    """The average true range at each bar, NaN where there are too few before."""
    found, moves = [math.nan], []
    for before, bar in pairwise(bars):
        high, low = max(one.high for one in bar.minutes), min(one.low for one in bar.minutes)
        moves.append(max(high, before.close) - min(low, before.close))
        if len(moves) == window:
            found.append(sum(moves) / window)
        else:
            found.append(found[-1] + (moves[-1] - found[-1]) / window if len(moves) > window else math.nan)
    return found


@pytest.mark.parametrize("minutes", [1, 15, 60])
@pytest.mark.parametrize("entry", ["close", "next_open"])
@pytest.mark.parametrize(
    "stops", [{"stops": "close"}, {"stops": "intrabar"}, {"stops": "intrabar", "tie": "target_first"}]
)
@pytest.mark.parametrize("direction", ["long-short", "long-only"])
def test_every_variant_is_what_the_clock_of_minutes_says(
    minutes: int, entry: str, stops: dict[str, str], direction: str
):
    risk = {"sl_pct": {"values": [0.6, 1.5]}, "tp_pct": {"values": [0.7, 3]}}
    assert_as_the_clock_says(minutes, {"entry": entry, **stops}, direction, risk, 4)


@pytest.mark.parametrize("entry", ["close", "next_open"])
@pytest.mark.parametrize(
    "stops", [{"stops": "close"}, {"stops": "intrabar"}, {"stops": "intrabar", "tie": "target_first"}]
)
@pytest.mark.parametrize(("minutes", "direction"), [(15, "long-short"), (60, "short-only")])
def test_so_is_every_one_under_levels_of_other_kinds(
    minutes: int, entry: str, stops: dict[str, str], direction: str
):
    risk = {
        **{"sl_pct": 3, "sl_atr": {"values": [1, 2.5]}, "trail_pct": {"values": [0.8, 2]}},
        **{"max_bars": {"values": [6, 50]}, "tp_atr": {"values": [1.5, 4]}, "atr_window": 5},
    }
    assert_as_the_clock_says(minutes, {"entry": entry, **stops}, direction, risk, 16)


SIZINGS: list[dict[str, Any]] = [
    {"mode": "risk_per_trade", "risk_pct": {"values": [0.5, 2]}},
    {"mode": "risk_per_trade", "risk_pct": {"start": 1, "stop": 3, "step": 2}, "max_leverage": 10},
    {"mode": "volatility_target", "target_pct": {"values": [0.4, 3]}, "window": 40},
]


@pytest.mark.parametrize("sizing", SIZINGS)
@pytest.mark.parametrize("fill", [{"entry": "close", "stops": "close"}, INTRABAR])
@pytest.mark.parametrize(
    "risk",
    [{"sl_pct": {"values": [0.6, 4]}, "tp_pct": 3}, {"sl_pct": 3, "sl_atr": {"values": [1, 9]}, "atr_window": 5}],
)
def test_sizes_are_what_the_clock_says_and_may_be_an_axis(
    sizing: dict[str, Any], fill: dict[str, str], risk: dict[str, Any]
):
    assert_as_the_clock_says(15, fill, "long-short", risk, 4, sizing=sizing)


def test_a_target_of_volatility_needs_no_level():
    assert_as_the_clock_says(15, {"entry": "close", "stops": "close"}, "long-short", {}, 2, sizing=SIZINGS[2])


def test_a_target_beyond_everything_is_all_in():
    whole, sized = (
        searched(None, sizing=sizing, verdict=False, top_k=2)
        for sizing in ({"mode": "all_in"}, {"mode": "volatility_target", "target_pct": 100, "window": 20})
    )
    assert [one.metrics["Num. Trades"] for one in sized.top] == [one.metrics["Num. Trades"] for one in whole.top]
    returns = [[one.total_return_pct for one in result.top] for result in (sized, whole)]
    assert returns[0] == pytest.approx(returns[1], rel=1e-9)


def assert_as_the_clock_says(
    minutes: int, fill: dict[str, str], direction: str, risk: dict[str, Any], variants: int, **changes: Any
) -> None:
    timeframe = {1: "1m", 15: "15m", 60: "1h"}[minutes]
    days = {1: 1, 15: 4, 60: 10}[minutes]
    span = {"start": "2025-01-02", "end": f"2025-01-{2 + days:02}"}
    result = searched(
        fill,
        timeframe=timeframe,
        time_range=span,
        risk=risk,
        direction=direction,
        verdict=False,
        indicators=[FAST],
        top_k=variants,
        trades_for=variants,
        **changes,
    )
    assert len(result.top) == variants
    for variant in result.top:
        clock, opens = clock_of(variant.strategy, fill, minutes, days)
        assert variant.total_return_pct == pytest.approx(clock.run.total_return_pct, rel=1e-9, abs=1e-9)
        told = [(one.exit_reason, one.entry_fill, one.exit_fill, one.quantity) for one in variant.trades or ()]
        expected = [(one.exit_reason, one.entry_fill, one.exit_fill, one.quantity) for one in clock.run.trades]
        assert [one[0] for one in told] == [one[0] for one in expected]
        assert np.allclose([one[1:] for one in told], [one[1:] for one in expected], rtol=1e-11, atol=0)
        for one, naive in zip(variant.trades or (), clock.run.trades, strict=True):
            before, after = opens[naive.exit_bar], opens[naive.exit_bar] + minutes * MINUTE_MS
            assert iso(before) <= one.exit_time <= iso(after)
            assert one.entry_time <= one.exit_time
            waits = fill["entry"] == "next_open"
            entered = opens[naive.entry_bar] + (0 if waits else minutes * MINUTE_MS)
            assert one.entry_time == iso(entered)
        if fill["stops"] == "intrabar":
            other = {**fill, "tie": "target_first" if fill.get("tie") is None else "stop_first"}
            assert variant.ties is not None
            assert variant.ties.exits == clock.ties
            decided = clock_of(variant.strategy, other, minutes, days)[0].run.total_return_pct
            assert variant.ties.other_return_pct == pytest.approx(decided, rel=1e-9, abs=1e-9)
        else:
            assert variant.ties is None


def test_ties_are_counted_somewhere_and_told_of_the_best():
    result = searched({"stops": "intrabar"}, timeframe="1h", risk={"sl_pct": 0.6, "tp_pct": 0.7}, top_k=1)
    best = result.top[0]
    assert best.ties is not None
    assert best.ties.exits > 0
    exits = "1 exit" if best.ties.exits == 1 else f"{best.ties.exits} exits"
    assert result.notes[-1] == (
        f"fill.tie: {exits} of rank 1 came in a minute that touched both levels; under target_first it returns "
        f"{best.ties.other_return_pct:.2f} %"
    )


def test_a_variant_alone_gives_the_same_numbers():
    result = searched(INTRABAR, risk={"sl_pct": {"values": [1, 2]}})
    for best in result.top:
        request = resolve(get_request_models().validated_request(best.strategy), BacktestSettings())
        alone = search_over(CANDLES, request, WARMUP).top[0]
        assert (alone.metrics, alone.ties) == (best.metrics, best.ties)


def test_what_says_nothing_of_fills_has_the_bytes_it_had():
    closes = {"entry": "close", "stops": "close", "tie": "stop_first"}
    assert "fill" not in resolved().model_dump_json()
    assert request_hash(resolved()) == request_hash(resolved(fill=closes)) != request_hash(resolved(fill=INTRABAR))
    assert numbers_of(searched(None)) == numbers_of(searched(closes))
    assert searched(None).candles_hash == searched({"entry": "next_open"}).candles_hash


def test_the_candles_of_a_search_that_looks_inside_bars_have_another_name():
    usual, inside = (searched(fill, risk={"sl_pct": 2}).candles_hash for fill in (None, {"stops": "intrabar"}))
    assert usual != inside


def test_levels_of_closes_have_no_tie():
    with pytest.raises(InvalidInput, match="no close reaches both levels: a tie belongs to stops 'intrabar'"):
        resolved(fill={"tie": "target_first"})


def test_without_levels_nothing_fills_inside_a_bar_and_the_answer_says_so():
    result = searched({"stops": "intrabar"})
    assert "fill.stops: risk has no level, so that nothing fills inside a bar" in result.notes
    assert [one.metrics for one in result.top] == [one.metrics for one in searched(None).top]


def test_histories_of_chance_have_no_minutes_inside_their_bars():
    risk = {"sl_pct": 2}
    with pytest.raises(InvalidInput, match=r"fill.stops is intrabar, and a bar of a history of chance"):
        VariantGrid(resolved(**{**ASKED, "fill": {"stops": "intrabar"}, "risk": risk, "luck": {"walks": 10}}))
    VariantGrid(resolved(fill={"stops": "intrabar"}, risk=risk, luck={"walks": 10}))


def test_fills_are_said_in_words():
    said = sentences(resolved(fill={**INTRABAR, "tie": "target_first"}, risk={"sl_pct": 2, "tp_pct": 4}))
    assert said[-2:] == (
        "Signals fill at the open of the next bar.",
        "Levels fill inside bars, by the minute; a minute that touches both is a take-profit.",
    )


def test_the_minutes_inside_bars_count_as_memory_of_a_search():
    usual, inside = (
        compute_bytes(VariantGrid(resolved(**{**ASKED, "fill": fill, "risk": {"sl_pct": 2}})), 1000)
        for fill in (None, {"stops": "intrabar"})
    )
    assert inside - usual == 1000 * 15 * 3 * 8
