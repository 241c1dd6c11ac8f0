"""Candles as Arrow tables of ClickHouse, to and from arrays."""

from __future__ import annotations

import numpy as np
import pandas  # noqa: F401  pyarrow imports it at its first array; the first read would pay 0.25 s
import pyarrow as pa

from candleray.candles import COLUMNS, CandleRows, Candles, FloatArray, IntArray
from candleray.markets import Instrument

_UINT32_MAX = 2**32 - 1


def as_raw(instrument: Instrument, rows: CandleRows, ingested_at_ms: int) -> pa.Table:
    """The rows with the columns of the raw tables."""
    moment = pa.timestamp("ms", "UTC")
    return pa.table(
        {
            "market_id": pa.array(np.full(len(rows), instrument.market_id, np.uint8)),
            "symbol": _repeated(instrument.symbol, len(rows)),
            "instrument_key": _repeated(instrument.key, len(rows)),
            "ts_open": pa.array(rows.ts_open_ms, pa.int64()).cast(moment),
            **{name: pa.array(rows.values[row]) for row, name in enumerate(COLUMNS)},
            "quote_volume": pa.array(rows.quote_volume, mask=np.isnan(rows.quote_volume)),
            "trades": pa.array(np.nan_to_num(rows.trades).astype(np.uint32), mask=np.isnan(rows.trades)),
            "ingested_at": pa.array(np.full(len(rows), ingested_at_ms), pa.int64()).cast(moment),
        }
    )


def candles_of(table: pa.Table) -> Candles:
    return Candles(stamps_of(table), _values(table))


def rows_of(table: pa.Table) -> CandleRows:
    return CandleRows(
        stamps_of(table), _values(table), _with_nan(table, "quote_volume"), _with_nan(table, "trades")
    )


def stamps_of(table: pa.Table, name: str = "ts_open_ms") -> IntArray:
    stamps: IntArray = table[name].to_numpy()
    return stamps


def without_nonsense(rows: CandleRows) -> CandleRows:
    """The rows, with impossible values of the optional columns set to unknown; the candles themselves stay."""
    return CandleRows(
        rows.ts_open_ms,
        rows.values,
        _plausible(rows.quote_volume, np.inf),
        np.trunc(_plausible(rows.trades, _UINT32_MAX)),
        rows.first_row,
    )


def _plausible(values: FloatArray, most: float) -> FloatArray:
    return np.where(np.isfinite(values) & (values >= 0) & (values <= most), values, np.nan)


def _values(table: pa.Table) -> FloatArray:
    values = np.empty((len(COLUMNS), len(table)))
    for row, name in enumerate(COLUMNS):
        values[row] = table[name].to_numpy()
    return values


def _with_nan(table: pa.Table, name: str) -> FloatArray:
    values: FloatArray = table[name].cast(pa.float64()).fill_null(np.nan).to_numpy()
    return values


def _repeated(text: str, times: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int32)), [text])
