"""Higher timeframes from one-minute candles: closed and full buckets alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.rollup import GrowingBars, rollup

MINUTE_MS = 60_000
OUTAGE = Path(__file__).parents[3] / "shared/data/candles/binance_spot_BTCUSDT_2018-02_with_outage.parquet"


def candles(minutes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Candles whose numbers tell their minute: close = minute + 1, high and low 10 around."""
    stamps = np.array(minutes, np.int64)
    base = stamps.astype(float)
    return stamps * MINUTE_MS, np.stack([base, base + 10, base - 10, base + 1, np.ones(len(minutes))])


@st.composite
def holed_minutes(draw) -> list[int]:
    start = draw(st.integers(0, 10_000))
    kept = draw(st.lists(st.sampled_from([True] * 9 + [False]), max_size=200))
    return [start + i for i, keep in enumerate(kept) if keep]


@given(holed_minutes(), st.sampled_from([1, 2, 5, 15, 60]))
def test_a_bar_exists_exactly_where_all_its_minutes_do(minutes, length):
    stamps, _ = rollup(*candles(minutes), length)
    present = set(minutes)
    full = [m for m in minutes if m % length == 0 and all(m + i in present for i in range(length))]
    assert (stamps // MINUTE_MS).tolist() == full


@given(holed_minutes(), st.sampled_from([2, 5, 15]))
def test_a_bar_opens_at_its_first_minute_and_closes_at_its_last(minutes, length):
    stamps, bars = rollup(*candles(minutes), length)
    first = stamps / MINUTE_MS
    assert bars.tolist() == [
        first.tolist(),
        (first + length - 1 + 10).tolist(),
        (first - 10).tolist(),
        (first + length).tolist(),
        [float(length)] * stamps.size,
    ]


@given(holed_minutes(), st.integers(0, 200), st.sampled_from([1, 5, 15]))
def test_later_minutes_change_no_earlier_bar(minutes, cut, length):
    whole, bars = rollup(*candles(minutes), length)
    part, part_bars = rollup(*candles(minutes[:cut]), length)
    assert (part == whole[: part.size]).all()
    assert (part_bars == bars[:, : part.size]).all()


@given(holed_minutes())
def test_rolling_up_twice_is_rolling_up_once(minutes):
    five = rollup(*candles(minutes), 5)
    once = rollup(*candles(minutes), 15)
    full = [
        t for t in five[0] if t % (15 * MINUTE_MS) == 0 and {t + 300_000, t + 600_000} <= set(five[0].tolist())
    ]
    assert once[0].tolist() == full


def test_one_minute_passes_through_without_a_copy():
    stamps, values = candles([0, 1, 5])
    assert rollup(stamps, values, 1) == (stamps, values)


def test_read_only_and_strided_candles_are_taken():
    stamps, values = candles(list(range(20)))
    strided = np.concatenate([values, values], axis=1)[:, :20]
    stamps.flags.writeable = strided.flags.writeable = False
    assert rollup(stamps, strided, 5)[1].tolist() == rollup(stamps, values, 5)[1].tolist()


@pytest.mark.parametrize("minutes", [0, -5])
def test_a_length_that_is_none_is_refused(minutes):
    with pytest.raises(ValueError, match="minutes"):
        rollup(*candles([0]), minutes)


def test_shapes_that_do_not_go_together_are_refused():
    stamps, values = candles([0, 1])
    with pytest.raises(ValueError, match="stamps"):
        rollup(stamps[:1], values, 5)


@pytest.mark.real_data
@pytest.mark.skipif(not OUTAGE.exists(), reason=f"{OUTAGE} is absent")
def test_hours_of_the_outage_month_exist_only_where_sixty_minutes_do():
    import pyarrow.parquet as pq

    table = pq.read_table(OUTAGE)
    stamps = table["ts_open"].to_numpy()
    values = np.stack([table[name].to_numpy() for name in ("open", "high", "low", "close", "volume")])
    hours, _ = rollup(stamps, values, 60)
    starts, counts = np.unique(stamps // 3_600_000, return_counts=True)
    assert (hours // 3_600_000).tolist() == starts[counts == 60].tolist()
    assert 0 < hours.size < starts.size


# Minutes that come in pieces -------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.sampled_from([1, 5, 15, 60, 240, 1_440]), st.integers(0, 10_000), st.integers(1, 4_000))
def test_minutes_in_pieces_give_the_bits_of_all_minutes_at_once(length, seed, most_at_once):
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(rng.random(4_500) > rng.choice([0.0, 0.001, 0.01]))
    stamps = (rng.integers(0, 3_000) + kept) * MINUTE_MS
    values = rng.random((5, kept.size))
    growing, parts, seen = GrowingBars(length), [], 0
    while seen < kept.size:
        new = slice(seen, seen + int(rng.integers(1, most_at_once + 1)))
        parts.append(growing.advance(stamps[new], values[:, new]))
        seen = min(new.stop, kept.size)
    whole, bars = rollup(stamps, values, length)
    assert np.concatenate([part for part, _ in parts]).tolist() == whole.tolist()
    assert np.concatenate([part for _, part in parts], axis=1).tobytes() == np.ascontiguousarray(bars).tobytes()


def test_a_bar_comes_with_the_last_minute_of_its_bucket_and_none_where_a_minute_is_missing():
    growing, came = GrowingBars(5), {}
    for minute in [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14]:
        stamps, _ = growing.advance(*candles([minute]))
        came[minute] = (stamps // MINUTE_MS).tolist()
    assert {minute: bars for minute, bars in came.items() if bars} == {4: [0], 14: [10]}


def test_a_minute_that_came_before_is_refused():
    growing = GrowingBars(5)
    growing.advance(*candles([0, 1]))
    with pytest.raises(ValueError, match="minute 60000 comes after minute 60000"):
        growing.advance(*candles([1]))
    with pytest.raises(ValueError, match="minute 180000 comes after minute 180000"):
        growing.advance(*candles([2, 3, 3, 4]))
    assert growing.advance(*candles([2, 3, 4]))[0].tolist() == [0]
