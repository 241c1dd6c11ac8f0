"""Columns of a candle file, under any of their usual names: the candles, and what the file says beside them.

A cell that cannot be read becomes NaN (a number) or 0 (a time), and `screening` refuses its row. Only a file that
holds no candles at all is refused here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from candleray.candles import COLUMNS, CandleRows, IntArray
from candleray.market_data.files.file_times import TimeReader, numbers_of, refuse

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
        "unix",
        "time",
        "datetime",
        "date",
    ),
    **{name: (name, name[0]) for name in COLUMNS},
    "quote_volume": ("quote_volume", "quote_asset_volume", "quotevolume", "turnover"),
    "trades": ("trades", "count", "number_of_trades", "trade_count", "tradecount", "num_trades"),
}
"""The names a column may have, the likeliest first; the last two columns may be absent."""

OPTIONAL = ("quote_volume", "trades")

CLOSE_TIME, CLOSED = "close_time", "closed"
LABELS = ("symbol", "interval", "exchange")

EVIDENCE: Mapping[str, tuple[str, ...]] = {
    CLOSE_TIME: (
        *("close_time", "closetime", "close_timestamp", "kline_close_time", "ts_close"),
        *("end_time", "endtime", "end_at", "end"),
    ),
    CLOSED: (
        *("confirm", "confirmed", "is_confirmed", "closed", "is_closed", "isclosed", "kline_closed"),
        *("is_final", "isfinal", "final", "is_complete", "complete", "x"),
    ),
    "symbol": ("symbol", "pair", "ticker", "instrument", "inst_id", "instid", "currency_pair", "s"),
    "interval": ("interval", "timeframe", "time_frame", "resolution", "granularity", "kline_interval"),
    "exchange": ("exchange", "venue"),
}
"""Columns that are not stored: what the file says of its rows must not contradict the command."""

LAYOUTS_WITHOUT_HEADER: Mapping[int, tuple[str, ...]] = {
    6: (TIME, *COLUMNS),
    7: (TIME, *COLUMNS, "quote_volume"),
    12: (TIME, *COLUMNS, "close_time", "quote_volume", "trades", "taker_base", "taker_quote", "ignore"),
}
"""Columns by their number: plain, the order of Bybit's klines, the order of Binance's archives."""

_TRUE = ("true", "t", "1", "1.0", "yes", "y", "closed")


@dataclass(frozen=True)
class FileRows:
    """Rows of a file, and what its other columns say of them.

    `close_ms` is 0 where it cannot be read; `closed` is True where the row says that its candle is final; `labels`
    counts the values of each column that names the symbol, the interval or the exchange.
    """

    rows: CandleRows
    close_ms: IntArray | None = None
    closed: NDArray[np.bool_] | None = None
    labels: Mapping[str, Counter[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


def find_columns(names: Sequence[str], source: str, symbol: str) -> dict[str, int]:
    """Positions in the file by our column names, of those that are there.

    Volumes may be named by their asset, `Volume BTC` and `Volume USDT`: the symbol begins with the base's name and
    ends with the quote's, and files have them in either order.

    Raises:
        BadFile: a column that a candle needs is not there.
    """
    cleaned = [re.sub(r"\W+", "_", name.strip().lower()).strip("_") for name in names]
    positions = {
        ours: cleaned.index(match)
        for ours, theirs in (*NAMES.items(), *EVIDENCE.items())
        if (match := next((name for name in theirs if name in cleaned), None)) is not None
    }
    positions = _volumes_by_asset(cleaned, symbol) | positions
    if missing := [name for name in NAMES if name not in positions and name not in OPTIONAL]:
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise refuse(source, f"has the columns {shown[:200]} and lacks {', '.join(missing)}")
    return positions


def _volumes_by_asset(cleaned: Sequence[str], symbol: str) -> dict[str, int]:
    positions = {}
    for at, name in enumerate(cleaned):
        asset = name.removeprefix("volume_").upper()
        if name.startswith("volume_") and asset and asset != symbol:
            if symbol.startswith(asset):
                positions["volume"] = at
            elif symbol.endswith(asset):
                positions["quote_volume"] = at
    return positions


def to_rows(columns: Mapping[str, pa.ChunkedArray], first_row: int, times: TimeReader, source: str) -> FileRows:
    """Rows of columns that have our names."""
    stamps = times.read(columns[TIME])
    values = np.stack([numbers_of(columns[name], source) for name in COLUMNS])
    unknown = np.full(stamps.shape[0], np.nan)
    quote_volume, trades = (
        numbers_of(columns[name], source) if name in columns else unknown.copy() for name in OPTIONAL
    )
    return FileRows(
        CandleRows(stamps, values, quote_volume, trades, first_row),
        times.read(columns[CLOSE_TIME]) if CLOSE_TIME in columns else None,
        _truths(columns[CLOSED]) if CLOSED in columns else None,
        {name: _counted(columns[name]) for name in LABELS if name in columns},
    )


def _truths(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """True where the cell says true in any of the usual ways, False everywhere else."""
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(_as_text(column)))
    truths: NDArray[np.bool_] = pc.fill_null(pc.is_in(texts, pa.array(_TRUE)), False).to_numpy()
    return truths


def _counted(column: pa.ChunkedArray) -> Counter[str]:
    counts = pc.value_counts(pc.utf8_trim_whitespace(_as_text(column))).to_pylist()
    return Counter({each["values"]: each["counts"] for each in counts if each["values"]})


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string())
