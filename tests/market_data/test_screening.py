"""Screening: rows that break a rule are refused with a count, a reason and the first example."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.candles import CandleRows
from candleray.market_data.insert_report import InsertReport, RefusedRows
from candleray.market_data.screening import is_candle, screen

START_MS = 1_700_000_040_000
MINUTE_MS = 60_000
NOW_MS = START_MS + 60 * MINUTE_MS
SANE = (10.0, 12.0, 9.0, 11.0, 5.0)


def rows(*candles: tuple[int, tuple[float, ...]], first_row: int = 1) -> CandleRows:
    """Rows at these ms after START_MS."""
    stamps = np.array([START_MS + after for after, _ in candles], np.int64)
    values = np.array([values for _, values in candles], np.float64).reshape(-1, 5).T.copy()
    unknown = np.full(len(stamps), np.nan)
    return CandleRows(stamps, values, unknown, unknown, first_row)


@pytest.mark.parametrize(
    ("reason", "after_ms", "candle"),
    [
        ("not a finite number", 0, (10, 12, 9, float("nan"), 5)),
        ("not a finite number", 0, (10, float("inf"), 9, 11, 5)),
        ("opens off the minute", 20_799, SANE),
        ("not closed yet", 60 * MINUTE_MS, SANE),
        ("not closed yet", 365 * 1440 * MINUTE_MS, SANE),
        ("stamp out of the years 2009 to 2099", -START_MS, SANE),
        ("stamp out of the years 2009 to 2099", 10**17, SANE),
        ("price not above zero", 0, (10, 12, 0, 11, 5)),
        ("negative volume", 0, (10, 12, 9, 11, -1)),
        ("high below low", 0, (10, 9, 12, 11, 5)),
        ("open or close outside high and low", 0, (13, 12, 9, 11, 5)),
        ("open or close outside high and low", 0, (10, 12, 9, 8, 5)),
    ],
)
def test_a_row_that_is_no_candle_is_refused_alone(reason: str, after_ms: int, candle: tuple[float, ...]) -> None:
    kept, refused = screen(rows((0, SANE), (after_ms, candle), (MINUTE_MS, SANE), first_row=100), NOW_MS)
    assert [(entry.reason, entry.count) for entry in refused] == [(reason, 1)]
    assert refused[0].first_example.startswith("row 101: ")
    assert kept.ts_open_ms.tolist() == [START_MS, START_MS + MINUTE_MS]


def test_a_minute_is_over_at_its_end_and_not_a_millisecond_sooner() -> None:
    last = rows((59 * MINUTE_MS, SANE))
    assert len(screen(last, NOW_MS)[0]) == 1
    kept, refused = screen(last, NOW_MS - 1)
    assert len(kept) == 0
    assert [entry.reason for entry in refused] == ["not closed yet"]
    assert refused[0].first_example.endswith("volume=5; it is 2023-11-14T23:13:59Z here")
    _, refused = screen(last, NOW_MS - 1, "at binance-spot")
    assert refused[0].first_example.endswith("it is 2023-11-14T23:13:59Z at binance-spot")


def test_a_candle_without_volume_or_movement_is_a_candle() -> None:
    kept, refused = screen(rows((0, (10, 10, 10, 10, 0))), NOW_MS)
    assert len(kept) == 1
    assert refused == []


def test_a_row_is_refused_for_one_reason_only() -> None:
    _, refused = screen(rows((20_799, (-1, -2, 3, float("nan"), -5))), NOW_MS)
    assert sum(entry.count for entry in refused) == 1


def test_two_values_for_one_minute_are_both_refused_and_shown_exactly() -> None:
    other = (10.0, 12.0, 9.0, 11.000001, 5.0)
    kept, refused = screen(rows((0, SANE), (MINUTE_MS, SANE), (0, other)), NOW_MS)
    assert kept.ts_open_ms.tolist() == [START_MS + MINUTE_MS]
    assert refused == [
        RefusedRows(
            reason="two rows of one minute differ",
            count=2,
            first_example="row 1: 2023-11-14T22:14:00Z open=10 high=12 low=9 close=11 volume=5",
        )
    ]


def test_an_unreadable_time_is_called_that() -> None:
    _, refused = screen(rows((-START_MS, SANE)), NOW_MS)
    assert "unreadable time" in refused[0].first_example


any_price = st.sampled_from([9.0, 10.0, 11.0, 12.0, 0.0, -1.0, float("nan"), float("inf")])
any_row = st.tuples(
    st.one_of(st.integers(0, 6).map(lambda m: m * MINUTE_MS), st.integers(0, 5 * MINUTE_MS)),
    st.one_of(st.just(SANE), st.tuples(any_price, any_price, any_price, any_price, any_price)),
)


@given(st.lists(any_row, max_size=25))
def test_every_row_is_kept_refused_or_a_repetition(candles: list[tuple[int, tuple[float, ...]]]) -> None:
    given_rows = rows(*candles)
    kept, refused = screen(given_rows, NOW_MS)
    stamps, values = kept.ts_open_ms, kept.values
    assert (np.diff(stamps) > 0).all()
    assert (stamps % MINUTE_MS == 0).all()
    assert np.isfinite(values).all()
    assert (values[1] >= values[[0, 2, 3]]).all()
    assert (values[2] <= values[[0, 3]]).all()
    repetitions = len(given_rows) - len(kept) - sum(entry.count for entry in refused)
    told = set(zip(stamps.tolist(), map(tuple, values.T.tolist()), strict=True))
    assert repetitions == sum((START_MS + after, values) in told for after, values in candles) - len(kept)


@given(st.lists(any_row, max_size=15), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(candles, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(candles, len(candles))
    kept, refused = screen(rows(*candles), NOW_MS)
    kept_too, refused_too = screen(rows(*shuffled), NOW_MS)
    assert kept.ts_open_ms.tolist() == kept_too.ts_open_ms.tolist()
    assert kept.values.tolist() == kept_too.values.tolist()
    assert [(entry.reason, entry.count) for entry in refused] == [(e.reason, e.count) for e in refused_too]


def test_reports_add_up_by_reason_with_the_first_example() -> None:
    early = RefusedRows(reason="high below low", count=2, first_example="row 1: …")
    late = RefusedRows(reason="high below low", count=3, first_example="row 9: …")
    total = InsertReport.total(
        [
            InsertReport(received=5, written=3, refused=(early,)),
            InsertReport(received=4, unchanged=1, refused=(late,)),
        ]
    )
    assert total == InsertReport(
        received=9,
        written=3,
        unchanged=1,
        refused=(RefusedRows(reason="high below low", count=5, first_example="row 1: …"),),
    )


PLAIN_NUMBERS = st.sampled_from(
    (-1.0, 0.0, 5e-324, 9.0, 10.0, 12.0, 1e308, float("inf"), float("-inf"), float("nan"))
)


@given(
    after_ms=st.sampled_from((0, 1, -START_MS, 59 * MINUTE_MS, 59 * MINUTE_MS + 1, 60 * MINUTE_MS, 10**17)),
    values=st.tuples(*[PLAIN_NUMBERS] * 5) | st.permutations(SANE).map(tuple),
)
def test_a_single_row_is_judged_by_the_same_rules(after_ms: int, values: tuple[float, ...]) -> None:
    kept, _ = screen(rows((after_ms, values)), NOW_MS)
    open_, high, low, close, volume = values
    assert is_candle(START_MS + after_ms, (open_, high, low, close, volume), NOW_MS) == (len(kept) == 1)
