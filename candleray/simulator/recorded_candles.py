"""Candles of a folder of Parquet files, as a source for the simulator."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from candleray.candles import COLUMNS, CandleRows, FloatArray
from candleray.errors import BadFile, NotFound, Problem, first_line
from candleray.markets import MARKETS, InstrumentReference, Market, is_symbol

_NAME = re.compile(r"(?P<exchange>[a-z]+)[-_](?P<market_type>[a-z]+)_(?P<symbol>[^_a-z]{2,32})(_.*)?\.parquet")


class RecordedCandles:
    """A `CandleSource` of Parquet files; an instrument may have several.

    A file is named `<exchange>-<market type>_<SYMBOL>[_anything].parquet`. Its columns are `ts_open` (ms UTC),
    open, high, low, close, volume and maybe `quote_volume` and `trades`. Where the last two are not recorded,
    volume times close and 0 stand in, because venues always send some.

    Raises:
        NotFound: no such folder, or none of its files has such a name.
        BadFile: a file that is not Parquet or has other columns.
    """

    def __init__(self, folder: Path, symbols: Iterable[str] = ()) -> None:
        chosen = set(symbols)
        files: dict[tuple[int, str], list[Path]] = {}
        for path in sorted(folder.glob("*.parquet")):
            key = _instrument_of(path)
            if key and (not chosen or key[1] in chosen):
                files.setdefault(key, []).append(path)
        if not files:
            raise NotFound(
                f"no file in {folder} is named like binance-spot_BTCUSDT.parquet"
                + (f" with one of the symbols {', '.join(sorted(chosen))}" if chosen else "")
            )
        self._rows = {key: _read(paths) for key, paths in files.items()}

    def instruments(self, market: Market) -> Sequence[InstrumentReference]:
        return [
            InstrumentReference(market_id=market.market_id, symbol=symbol, status="trading")
            for market_id, symbol in sorted(self._rows)
            if market_id == market.market_id
        ]

    def span_ms(self, market: Market, symbol: str) -> tuple[int, int]:
        stamps = self._rows[market.market_id, symbol].ts_open_ms
        return int(stamps[0]), int(stamps[-1]) + 1

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        rows = self._rows[market.market_id, symbol]
        first, last = np.searchsorted(rows.ts_open_ms, [start_ms, end_ms])
        return rows.take(np.arange(first, last))


def _instrument_of(path: Path) -> tuple[int, str] | None:
    match = _NAME.fullmatch(path.name)
    if match is None or not is_symbol(match["symbol"]):
        return None
    market_name = f"{match['exchange']}-{match['market_type']}"
    return next(
        ((market.market_id, match["symbol"]) for market in MARKETS.values() if market.name == market_name), None
    )


def _read(paths: Sequence[Path]) -> CandleRows:
    rows = CandleRows.join([_read_file(path) for path in paths])
    _, first_of_minute = np.unique(rows.ts_open_ms, return_index=True)
    return rows.take(first_of_minute)


def _read_file(path: Path) -> CandleRows:
    try:
        table = pq.read_table(path)
        ts_open_ms = np.asarray(table["ts_open"].cast(pa.int64()), np.int64)
        values = np.stack([np.asarray(table[name], np.float64) for name in COLUMNS])
    except (pa.ArrowException, KeyError, OSError) as exc:
        raise BadFile(
            f"{path.name} is not a Parquet file of candles", [Problem("file", "bad_file", first_line(exc))]
        ) from exc
    if not len(ts_open_ms):
        raise BadFile(f"{path.name} has no rows")
    return CandleRows(
        ts_open_ms,
        values,
        _optional(table, "quote_volume", values[4] * values[3]),
        _optional(table, "trades", np.zeros(len(ts_open_ms))),
    )


def _optional(table: pa.Table, name: str, otherwise: FloatArray) -> FloatArray:
    if name not in table.column_names:
        return otherwise
    values = np.asarray(table[name], np.float64)
    return np.where(np.isfinite(values), values, otherwise)
