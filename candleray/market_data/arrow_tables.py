"""Candles as Arrow tables of ClickHouse, to and from arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas  # noqa: F401  pyarrow imports it at its first array; the first read would pay 0.25 s
import pyarrow as pa

from candleray.candles import COLUMNS, CandleRows, Candles, FloatArray, IntArray
from candleray.market_data.candle_batch import CandleBatch
from candleray.market_data.ledger.versions import CandleSourceWord

_UINT32_MAX = 2**32 - 1


def as_raw(batch: CandleBatch, ingested_at_ms: int, source: CandleSourceWord) -> pa.Table:
    """The rows with the columns of the raw tables."""
    moment, rows, owners = pa.timestamp("ms", "UTC"), batch.rows, batch.owners
    market_ids = np.array([instrument.market_id for instrument in batch.instruments], np.uint8)
    return pa.table(
        {
            "market_id": pa.array(market_ids[owners]),
            "symbol": _words([instrument.symbol for instrument in batch.instruments], owners),
            "instrument_key": _words([instrument.key for instrument in batch.instruments], owners),
            "ts_open": pa.array(rows.ts_open_ms, pa.int64()).cast(moment),
            **{name: pa.array(rows.values[row]) for row, name in enumerate(COLUMNS)},
            "quote_volume": pa.array(rows.quote_volume, mask=np.isnan(rows.quote_volume)),
            "trades": pa.array(np.nan_to_num(rows.trades).astype(np.uint32), mask=np.isnan(rows.trades)),
            "ingested_at": pa.array(np.full(len(rows), ingested_at_ms), pa.int64()).cast(moment),
            "source": _words([source], np.zeros(len(rows), np.int64)),
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


def _words(words: Sequence[str], at: IntArray) -> pa.DictionaryArray:
    """`words[at]`; a symbol of two markets is one word of the dictionary."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    number_of = np.array([numbers[word] for word in words], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(number_of[at]), list(numbers))
