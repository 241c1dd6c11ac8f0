"""Generated candles: the same from any side, sane, joined, and shaped like a market rather than like noise."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candleray.candles import CandleRows
from candleray.errors import InvalidInput
from candleray.market_data.screening import screen
from candleray.markets import MARKETS
from candleray.simulator.generated_candles import PROFILES, GeneratedCandles
from candleray.simulator.json_replies import decimals_of
from candleray.timeframes import DAY_MS, MINUTE_MS

SPOT, FUTURES = MARKETS[1], MARKETS[2]
YEAR_MS = (1_735_689_600_000, 1_767_225_600_000)
NOW_MS = YEAR_MS[1]
every_symbol = pytest.mark.parametrize(
    "symbol", [name for name, profile in PROFILES.items() if profile.is_tradable]
)


@pytest.fixture(scope="module")
def year() -> CandleRows:
    return GeneratedCandles().candles(SPOT, "BTCUSDT", *YEAR_MS)


def returns_of(rows: CandleRows) -> np.ndarray:
    return np.diff(np.log(rows.values[3]))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


@every_symbol
def test_a_month_of_any_symbol_is_gap_free_and_passes_the_screen(symbol):
    rows = GeneratedCandles().candles(FUTURES, symbol, YEAR_MS[0], YEAR_MS[0] + 30 * DAY_MS)
    kept, refused = screen(rows, NOW_MS)
    assert (len(kept), refused) == (30 * 1440, [])
    assert (np.diff(rows.ts_open_ms) == MINUTE_MS).all()
    assert (rows.values[4] > 0).all()
    assert (rows.quote_volume >= 0).all()
    assert (rows.trades >= 1).all()


def test_minutes_legs_and_days_join_close_to_open(year):
    assert len(year) == 525_600
    assert np.array_equal(year.values[0, 1:], year.values[3, :-1])


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 5000), length=st.integers(1, 4000), before=st.integers(0, 9000))
def test_a_window_is_the_same_whatever_was_asked_before(start, length, before):
    used, fresh = GeneratedCandles(seed=5), GeneratedCandles(seed=5)
    origin_ms = YEAR_MS[0]
    used.candles(SPOT, "ETHUSDT", origin_ms + before * MINUTE_MS, origin_ms + (before + 500) * MINUTE_MS)
    window_ms = (origin_ms + start * MINUTE_MS, origin_ms + (start + length) * MINUTE_MS)
    one = used.candles(SPOT, "ETHUSDT", *window_ms)
    whole = fresh.candles(SPOT, "ETHUSDT", origin_ms, origin_ms + 9000 * MINUTE_MS)
    assert np.array_equal(one.values, whole.values[:, start : start + length])
    assert np.array_equal(one.quote_volume, whole.quote_volume[start : start + length])


def test_the_numbers_are_these_on_every_machine(year):
    digest = hashlib.sha256(year.values[:, :100_000].astype("<f8").tobytes()).hexdigest()
    assert digest[:16] == "d76bff0ff536885b"


def test_another_seed_is_another_market_and_another_symbol_another_path():
    day_ms = (YEAR_MS[0], YEAR_MS[0] + DAY_MS)
    seeds = [GeneratedCandles(seed).candles(SPOT, "BTCUSDT", *day_ms).values[3] for seed in (1, 2)]
    symbols = [GeneratedCandles().candles(SPOT, symbol, *day_ms).values[3] for symbol in ("BTCUSDT", "ETHUSDT")]
    for first, second in (seeds, symbols):
        assert abs(correlation(np.diff(np.log(first)), np.diff(np.log(second)))) < 0.2


def test_symbols_move_together_from_day_to_day_as_markets_do():
    days = [GeneratedCandles().candles(SPOT, s, *YEAR_MS).values[3, ::1440] for s in ("BTCUSDT", "ETHUSDT")]
    assert 0.3 < correlation(*(np.diff(np.log(closes)) for closes in days)) < 0.95


def test_markets_of_one_symbol_stay_close():
    day_ms = (YEAR_MS[0], YEAR_MS[0] + DAY_MS)
    spot, futures = (GeneratedCandles().candles(market, "BTCUSDT", *day_ms) for market in (SPOT, FUTURES))
    assert np.abs(spot.values[3] / futures.values[3] - 1).max() < 0.002
    assert not np.array_equal(spot.values[4], futures.values[4])


# Real BTCUSDT minutes of 2025: kurtosis 84, |r| autocorrelation 0.38 (1), 0.23 (60), 0.15 (1440),
# volume to range 0.73, daily deviation 2.2 %.


def test_returns_are_not_white_noise_but_cluster_and_have_fat_tails(year):
    returns = returns_of(year)
    size = np.abs(returns)
    assert abs(correlation(returns[1:], returns[:-1])) < 0.05
    assert correlation(size[1:], size[:-1]) > 0.3
    assert correlation(size[60:], size[:-60]) > 0.1
    assert correlation(size[1440:], size[:-1440]) > 0.03
    assert ((returns / returns.std()) ** 4).mean() > 8


def test_the_year_moves_like_one_and_has_trends_and_a_crash(year):
    daily = np.diff(np.log(year.values[3, 1439::1440]))
    assert 0.015 < daily.std() < 0.05
    assert daily.min() < -0.07
    assert year.values[1].max() / year.values[2].min() > 1.4


def test_volume_goes_with_range(year):
    high, low = year.values[1:3]
    assert correlation((high - low) / low, year.values[4]) > 0.5


def test_prices_are_whole_ticks_and_volumes_whole_steps(year):
    (btc,) = [known for known in GeneratedCandles().instruments(SPOT) if known.symbol == "BTCUSDT"]
    for column, step in ((3, btc.price_tick), (4, btc.quantity_step)):
        sample = year.values[column, ::997]
        assert [float(f"{value:.{decimals_of(step)}f}") for value in sample] == sample.tolist()


def test_nothing_is_there_before_the_listing_or_after_the_end():
    source = GeneratedCandles()
    first_ms, end_ms = source.span_ms(SPOT, "LUNAUSDT")
    assert len(source.candles(SPOT, "LUNAUSDT", first_ms - DAY_MS, first_ms)) == 0
    assert len(source.candles(SPOT, "LUNAUSDT", end_ms - MINUTE_MS, end_ms + DAY_MS)) == 1
    assert [i.symbol for i in source.instruments(SPOT) if not i.is_tradable] == ["LUNAUSDT"]


def test_any_symbol_can_be_asked_for_and_a_wrong_one_is_refused():
    source = GeneratedCandles(symbols=["PEPEUSDT", "BTCUSDT"])
    pepe = source.instruments(SPOT)[1]
    assert (pepe.symbol, pepe.base_asset, pepe.quote_asset) == ("PEPEUSDT", "PEPE", "USDT")
    rows = source.candles(SPOT, "PEPEUSDT", YEAR_MS[0], YEAR_MS[0] + DAY_MS)
    assert screen(rows, NOW_MS)[1] == []
    with pytest.raises(InvalidInput, match="'pepe' is not a symbol"):
        GeneratedCandles(symbols=["pepe"])
