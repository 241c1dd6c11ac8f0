"""Requests to numbered variants: canonical order, exact decoding, guards, hashes."""

from __future__ import annotations

from typing import Any

import pytest

from candleray.backtests.request import BacktestRequest
from candleray.errors import GuardExceeded, InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search.estimate import check_guards
from candleray.search.variants import VariantGrid, engine_params_hash, request_hash, resolve
from candleray.settings import BacktestSettings, GuardSettings

SMA: dict[str, Any] = {
    "id": "sma",
    "inputs": {"source": ["close", "hlc3"]},
    "params": {"window": {"start": 5, "stop": 20, "step": 5}},
}
RSI: dict[str, Any] = {
    "id": "rsi",
    "params": {"window": {"values": [7, 14, 21]}},
    "signal": {"long_threshold": {"start": 20, "stop": 40, "step": 5}, "short_threshold": 70},
}


def resolved(*indicators: dict[str, Any], **changes: Any) -> BacktestRequest:
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1m",
        "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
        "indicators": list(indicators),
        **changes,
    }
    return resolve(get_request_models().validated_request(content), BacktestSettings())


def test_the_size_is_the_product_of_all_axes_and_the_planes_their_sum():
    grid = VariantGrid(resolved(SMA, RSI))
    assert grid.size == (2 * 4) * (3 * 5)
    assert grid.planes == 2 * 4 + 3 * 5


def test_indicators_are_numbered_alike_in_any_order_of_the_request():
    one, other = resolved(SMA, RSI), resolved(RSI, SMA)
    assert one == other
    assert request_hash(one) == request_hash(other)


def test_the_last_axis_of_the_last_indicator_is_the_fastest():
    grid = VariantGrid(resolved(SMA, RSI))
    assert [choice.id for choice in grid.variant(0)] == ["rsi", "sma"]
    windows = [grid.variant(index)[1].params["window"] for index in range(4)]
    assert windows == [5, 10, 15, 20]
    assert grid.variant(4)[1].inputs == {"source": "hlc3"}
    assert grid.variant(8)[0].signal["long_threshold"] == 25


def test_every_variant_is_its_own_and_every_plane_is_found_by_its_number():
    grid = VariantGrid(resolved(SMA, RSI))
    assert len({str(grid.variant(index)) for index in range(grid.size)}) == grid.size
    digits = grid.radix.decode(77)
    by_number = [grid.plane(offset + digit) for offset, digit in zip(grid.plane_offsets, digits, strict=True)]
    assert tuple(by_number) == grid.variant(77)


def test_one_indicator_twice_is_two_indicators():
    slow = {"id": "sma", "params": {"window": {"values": [100, 200]}}}
    grid = VariantGrid(resolved(SMA, slow))
    assert grid.size == 8 * 2


def test_a_strategy_is_a_request_whose_only_variant_it_is():
    grid = VariantGrid(resolved(SMA, RSI, direction="long-only"))
    again = resolve(get_request_models().validated_request(grid.strategy(41)), BacktestSettings())
    alone = VariantGrid(again)
    assert alone.size == 1
    assert alone.variant(0) == grid.variant(41)
    assert alone.strategy(0) == grid.strategy(41)


def test_a_trillion_variants_are_described_without_being_enumerated():
    wide = {
        "id": "rsi",
        "params": {"window": {"start": 2, "stop": 201, "step": 1}},
        "signal": {
            "long_threshold": {"start": 1, "stop": 50, "step": 0.1},
            "short_threshold": {"start": 50, "stop": 99, "step": 0.1},
        },
    }
    grid = VariantGrid(resolved(wide, wide))
    assert grid.size > 10**12
    assert grid.variant(grid.size - 1)[1].signal == {"long_threshold": 50, "short_threshold": 99}


def test_what_is_left_out_takes_the_defaults_of_market_configuration_and_indicator():
    spot, futures = resolved(RSI), resolved(RSI, instrument={"market_id": 4, "symbol": "BTCUSDT"})
    assert (spot.fee_pct, futures.fee_pct, spot.slippage_pct) == (0.075, 0.1, 0.01)
    assert (spot.top_k, spot.preselect, spot.init_cash_quote) == (300, 20_000, 10_000)
    assert spot.indicators[0].signal["short_threshold"] == 70


def test_a_zero_that_was_asked_for_is_kept():
    assert resolved(RSI, fee_pct=0, slippage_pct=0).fee_pct == 0


def test_a_budget_that_is_left_out_is_all_the_cash():
    whole = resolved(RSI, sizing={"mode": "strategy_compound"}, init_cash_quote=500)
    assert whole.sizing.model_dump() == {"mode": "strategy_compound", "budget_quote": 500}
    assert whole == resolved(RSI, sizing={"mode": "strategy_compound", "budget_quote": 500}, init_cash_quote=500)


def test_a_budget_over_the_cash_is_refused_with_both_numbers():
    with pytest.raises(InvalidInput, match="a budget of 10001 is more than the initial cash of 10000") as caught:
        resolved(RSI, sizing={"mode": "strategy_compound", "budget_quote": 10_001})
    assert [problem.field for problem in caught.value.problems] == ["sizing.budget_quote"]


def test_numbers_typed_differently_make_the_same_request():
    assert request_hash(resolved(RSI, fee_pct=1)) == request_hash(resolved(RSI, fee_pct=1.0))


def test_the_engine_hash_depends_on_the_warmup_and_not_on_the_axes():
    request = resolved(RSI)
    hashed = engine_params_hash(request, BacktestSettings())
    assert hashed == engine_params_hash(resolved(RSI, top_k=1), BacktestSettings())
    assert hashed != engine_params_hash(request, BacktestSettings(warmup_bars=100))


@pytest.mark.parametrize(
    ("guards", "words"),
    [
        (GuardSettings(max_variants=119), "variants 120 is over the limit of 119"),
        (GuardSettings(max_compute_bytes=10_000_000), "over the limit of 10000000"),
        (GuardSettings(max_top_k=299), "top_k 300 is over the limit of 299"),
    ],
)
def test_each_guard_says_its_number_and_its_limit(guards: GuardSettings, words: str):
    with pytest.raises(GuardExceeded, match="too large") as caught:
        check_guards(VariantGrid(resolved(SMA, RSI)), 525_600, guards)
    assert words in caught.value.problems[0].message


def test_a_grid_within_the_guards_passes():
    check_guards(VariantGrid(resolved(SMA, RSI)), 525_600, GuardSettings())
