"""Columns of a candle file, under any of their usual names, as `CandleRows`.

A cell that cannot be read becomes NaN (a number) or 0 (a time), and `screening` refuses its row. Only a file that
holds no candles at all is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from candleray.candles import COLUMNS, CandleRows, FloatArray, IntArray
from candleray.errors import BadFile

TIME = "ts_open"

NAMES: Mapping[str, tuple[str, ...]] = {
    TIME: (
        "ts_open",
        "open_time",
        "opentime",
        "start_time",
        "start_at",
        "start",
        "timestamp",
        "ts",
        "time",
        "datetime",
        "date",
        "unix",
    ),
    **{name: (name, name[0]) for name in COLUMNS},
    "quote_volume": ("quote_volume", "quote_asset_volume", "quotevolume", "turnover"),
    "trades": ("trades", "count", "number_of_trades", "trade_count", "num_trades"),
}
"""The names a column may have, the likeliest first; the last two columns may be absent."""

OPTIONAL = ("quote_volume", "trades")

LAYOUTS_WITHOUT_HEADER: Mapping[int, tuple[str, ...]] = {
    6: (TIME, *COLUMNS),
    7: (TIME, *COLUMNS, "quote_volume"),
    12: (TIME, *COLUMNS, "close_time", "quote_volume", "trades", "taker_base", "taker_quote", "ignore"),
}
"""By number of columns: plain, the order of Bybit's klines, the order of Binance's archives."""

EXPECTED = (
    "one-minute candles as Parquet or CSV (plain, .gz or .zip) with the columns ts_open, open, high, low, close, "
    "volume and, where known, quote_volume and trades; or an exchange archive of 12 columns"
)


def refuse(source: str, fault: str) -> BadFile:
    return BadFile(f"{source}: {fault}; expected {EXPECTED}")


def find_columns(names: Sequence[str], source: str) -> dict[str, int]:
    """Positions in the file by our column names.

    Raises:
        BadFile: a column that a candle needs is not there.
    """
    cleaned = [re.sub(r"\W+", "_", name.strip().lower()).strip("_") for name in names]
    positions = {
        ours: cleaned.index(match)
        for ours, theirs in NAMES.items()
        if (match := next((name for name in theirs if name in cleaned), None)) is not None
    }
    if missing := [name for name in NAMES if name not in positions and name not in OPTIONAL]:
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise refuse(source, f"has the columns {shown[:200]} and lacks {', '.join(missing)}")
    return positions


def to_rows(columns: Mapping[str, pa.ChunkedArray], first_row: int, source: str) -> CandleRows:
    """Rows of columns that have our names."""
    stamps = read_times(columns[TIME], source)
    values = np.stack([_numbers(columns[name], source) for name in COLUMNS])
    unknown = np.full(stamps.shape[0], np.nan)
    quote_volume, trades = (
        _numbers(columns[name], source) if name in columns else unknown.copy() for name in OPTIONAL
    )
    return CandleRows(stamps, values, quote_volume, trades, first_row)


def read_times(column: pa.ChunkedArray, source: str) -> IntArray:
    """`(n,)` ms since the epoch, from times, text, or numbers in s, ms, µs or ns.

    The unit is recognised row by row: Binance's spot archives went from ms to µs at the turn of 2025, and joined
    files hold both.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _whole(column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()))
    if pa.types.is_integer(kind):
        return _integers_to_ms(_whole(column.cast(pa.int64(), safe=False)))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _floats_to_ms(_numbers(column, source))
    return _text_to_ms(_text(column, source))


def _whole(column: pa.ChunkedArray) -> IntArray:
    whole: IntArray = column.fill_null(0).to_numpy()
    return whole


def _integers_to_ms(times: IntArray) -> IntArray:
    size = np.abs(times)
    units = [size < 10**11, size < 10**14, size < 10**17]
    ms: IntArray = np.select(units, [times * 1000, times, times // 1000], times // 10**6)
    return ms


def _floats_to_ms(times: FloatArray) -> IntArray:
    size = np.abs(times)
    scale = np.select([size < 1e11, size < 1e14, size < 1e17], [1e3, 1.0, 1e-3], 1e-6)
    whole: IntArray = np.nan_to_num(np.round(times * scale), nan=0.0, posinf=0.0, neginf=0.0).astype(np.int64)
    return whole


def _text_to_ms(texts: NDArray[np.object_]) -> IntArray:
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(np.float64)
    moments = pd.to_datetime(
        pd.Series(texts).str.removesuffix(" UTC"), errors="coerce", utc=True, format="ISO8601"
    )
    ms = moments.astype("datetime64[ms, UTC]").astype(np.int64).where(moments.notna(), 0).to_numpy(np.int64)
    # A number first: "20250101" would be a date to one parser and a count of seconds to another.
    return np.where(np.isnan(numbers), ms, _floats_to_ms(numbers))


def _numbers(column: pa.ChunkedArray, source: str) -> FloatArray:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers: FloatArray = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy()
        return numbers
    return pd.to_numeric(pd.Series(_text(column, source)), errors="coerce").to_numpy(np.float64)


def _text(column: pa.ChunkedArray, source: str) -> NDArray[np.object_]:
    if not (
        pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_null(column.type)
    ):
        raise refuse(source, f"has a column of {column.type} where numbers belong")
    texts: NDArray[np.object_] = column.to_numpy()
    return texts
