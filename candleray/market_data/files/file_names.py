"""Names of files: archives carry the symbol and the interval of their candles in theirs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from candleray.timeframes import DAY_MS, MINUTE_MS

_UNITS_MS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE_MS),
    **dict.fromkeys(("h", "hr", "hour", "hours", "hourly"), 60 * MINUTE_MS),
    **dict.fromkeys(("d", "day", "days", "daily"), DAY_MS),
    **dict.fromkeys(("w", "week", "weeks", "weekly"), 7 * DAY_MS),
    **dict.fromkeys(("mo", "month", "months", "monthly"), 30 * DAY_MS),
}

_WORDS = ("minute", "minutes", "hour", "hourly", "daily", "weekly", "monthly")
"""Units that say an interval without a number."""

_ARCHIVES = (
    # Binance: BTCUSDT-1m-2025-01.zip, ETHUSDT-1d-2025-01-01.csv
    re.compile(r"(?<![^\W_])(?P<symbol>[^\W_]{2,32})-(?P<interval>\d+(?:mo|[smhdwM]))-\d{4}-\d{2}(?!\d)"),
    # Bybit: BTCUSDT_1_2025-01-01_2025-01-31.csv.gz
    re.compile(r"(?<![^\W_])(?P<symbol>[^\W_]{2,32})_(?P<interval>\d+|[DWM])_\d{4}-\d{2}-\d{2}_\d{4}-\d{2}-\d{2}"),
    # TradingView: BINANCE_BTCUSDT, 60.csv, BYBIT_BTCUSDT.P, 1D.csv
    re.compile(r"(?<![^\W_])(?P<symbol>[^\W_]{2,32})(?:\.P)?, (?P<interval>\d+[SDWM]?)(?![^\W_])"),
)


@dataclass(frozen=True)
class NameClaims:
    """Claims of a file's name. An archive's name means them; elsewhere `7d` may be how much the file holds."""

    symbol: str | None = None
    interval_ms: int | None = None
    of_archive: bool = False


def interval_of(text: str) -> int | None:
    """Milliseconds of `1m`, `4h`, `1d`, `15min`, `1M` (a month); None for what is no interval with a unit."""
    parts = re.fullmatch(r"(\d{1,4})[ _-]?([A-Za-z]+)", text.strip())
    if parts is None:
        return None
    unit = "mo" if parts[2] == "M" else parts[2].lower()
    return int(parts[1]) * _UNITS_MS[unit] if unit in _UNITS_MS and int(parts[1]) else None


def claims_of(name: str) -> NameClaims:
    """Read a file's name, without its folders."""
    for archive in _ARCHIVES:
        if found := archive.search(name):
            return NameClaims(found["symbol"].upper(), _archive_interval_ms(found["interval"]), of_archive=True)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name.partition(".")[0]) if word]
    pairs = (first + second for first, second in pairwise(words) if first.isdigit())
    told = [interval_of(word) for word in (*words, *pairs)]
    told += [_UNITS_MS[word.lower()] for word in words if word.lower() in _WORDS]
    if words and words[-1] in ("d", "h", "w"):
        told.append(_UNITS_MS[words[-1]])
    intervals = [interval for interval in told if interval]
    return NameClaims(interval_ms=MINUTE_MS if MINUTE_MS in intervals else next(iter(intervals), None))


def _archive_interval_ms(text: str) -> int | None:
    if text.isdigit():
        return int(text) * MINUTE_MS
    return interval_of(text if text[0].isdigit() else f"1{text}")
