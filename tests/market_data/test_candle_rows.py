"""Rows of candles, cut into parts and joined again."""

from __future__ import annotations

import numpy as np
import pytest

from candleray.candles import CandleRows
from tests.support.candle_store.rows import candle_rows


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [3, 1]), (9, [3, 3, 3]), (10, [3, 3, 3, 1])])
def test_parts_are_all_rows_in_order_and_know_their_numbers(count: int, sizes: list[int]) -> None:
    whole = candle_rows(range(count), quote_volume=7.0)
    numbered = CandleRows(whole.ts_open_ms, whole.values, whole.quote_volume, whole.trades, first_row=101)
    cut = list(numbered.parts(3))
    assert [len(part) for part in cut] == sizes
    assert [part.first_row for part in cut] == [101 + 3 * turn for turn in range(len(sizes))]
    joined = CandleRows.join(cut)
    for name in ("ts_open_ms", "values", "quote_volume", "trades"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name), equal_nan=True)
