"""Times of a file's rows, in any unit and in the styles whose zone is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from candleray.candles import FloatArray, IntArray
from candleray.errors import BadFile
from candleray.timeframes import iso

EXPECTED = (
    "one-minute candles as Parquet or CSV (plain, .gz or .zip) with the columns ts_open, open, high, low, close, "
    "volume and, where known, quote_volume and trades; or an exchange archive of 12 columns"
)

_DOTTED = r"^\s*\d{4}\.\d{1,2}\.\d{1,2}(?:[ T]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?\s*$"
"""`2025.01.01 03:00`, as MetaTrader writes it: of a server's zone, which it does not say."""

_DAY_OR_MONTH_FIRST = r"^\s*\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b"


def refuse(source: str, fault: str) -> BadFile:
    return BadFile(f"{source}: {fault}; expected {EXPECTED}")


class TimeReader:
    """Reader of one file's times. Dotted dates are of `dotted_utc_offset_h`, or refused where that is None."""

    def __init__(self, source: str, dotted_utc_offset_h: int | None = None) -> None:
        self._source = source
        self._dotted_utc_offset_h = dotted_utc_offset_h
        self.note = ""
        """The conversion of the first dotted date, for the report."""

    def read(self, column: pa.ChunkedArray) -> IntArray:
        """`(n,)` ms since the epoch, 0 for what cannot be read, from times, text, or numbers in s, ms, µs or ns.

        The unit is recognised row by row: Binance's spot archives went from ms to µs at the turn of 2025, and
        joined files hold both.

        Raises:
            BadFile: the column is no time at all, or has dates that may be read in two ways.
        """
        kind = column.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return _whole(column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()))
        if pa.types.is_integer(kind):
            return _integers_to_ms(_whole(column.cast(pa.int64(), safe=False)))
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return _floats_to_ms(numbers_of(column, self._source))
        return self._text_to_ms(texts_of(column, self._source))

    def _text_to_ms(self, texts: NDArray[np.object_]) -> IntArray:
        series = pd.Series(texts, dtype="object").fillna("")
        numbers = pd.to_numeric(series, errors="coerce").to_numpy(np.float64)
        moments = pd.to_datetime(series.str.removesuffix(" UTC"), errors="coerce", utc=True, format="ISO8601")
        whole_ms = moments.astype("datetime64[ms, UTC]").astype(np.int64).where(moments.notna(), 0)
        ms: IntArray = np.asarray(whole_ms, np.int64)
        written = np.isnan(numbers)
        self._refuse_two_readings(series[written])
        ms = ms - self._dotted_offset_ms(series, ms)
        # A number first: "20250101" would be a date to one parser and a count of seconds to another.
        return np.where(written, ms, _floats_to_ms(numbers))

    def _refuse_two_readings(self, texts: pd.Series) -> None:
        ambiguous = texts[texts.str.match(_DAY_OR_MONTH_FIRST)]
        if len(ambiguous):
            raise refuse(
                self._source,
                f"has dates like {ambiguous.iloc[0][:40]!r}, which do not say whether day or month comes first; "
                "write them as 2025-01-31 00:00 in UTC",
            )

    def _dotted_offset_ms(self, texts: pd.Series, ms: IntArray) -> IntArray:
        dotted = texts.str.match(_DOTTED).to_numpy(bool)
        if not dotted.any():
            return np.zeros(len(texts), np.int64)
        at = int(np.flatnonzero(dotted)[0])
        if self._dotted_utc_offset_h is None:
            raise refuse(
                self._source,
                f"has dates like {texts.iloc[at][:40]!r}, in MetaTrader's style, which does not say their zone; "
                "write them as 2025-01-31 00:00 in UTC",
            )
        offset_ms = self._dotted_utc_offset_h * 3_600_000
        self.note = self.note or (
            f"dates like {texts.iloc[at].strip()!r} are of UTC{self._dotted_utc_offset_h:+d}, as in the "
            f"exchange's public kline archive: that one was read as {iso(int(ms[at]) - offset_ms)}"
        )
        offsets: IntArray = np.where(dotted & (ms != 0), offset_ms, 0)
        return offsets


def numbers_of(column: pa.ChunkedArray, source: str) -> FloatArray:
    """The column's numbers, NaN for what is none."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers: FloatArray = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy()
        return numbers
    return pd.to_numeric(pd.Series(texts_of(column, source)), errors="coerce").to_numpy(np.float64)


def texts_of(column: pa.ChunkedArray, source: str) -> NDArray[np.object_]:
    if not (
        pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_null(column.type)
    ):
        raise refuse(source, f"has a column of {column.type} where numbers belong")
    texts: NDArray[np.object_] = column.to_numpy()
    return texts


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
