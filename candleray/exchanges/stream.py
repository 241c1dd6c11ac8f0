"""A venue's stream of candles as its client sees it: constants and pure functions that a venue's file supplies.

Sockets, clocks and what is done with the candles are written once, in `candleray.feeds`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from candleray.candles import CandleRows


@dataclass(frozen=True)
class LiveKline:
    """A minute as a stream tells it, unchecked; `is_closed` is the venue's own word. Unknown values are NaN.

    `told_ms` is when the venue sent it, by its own clock, None where it does not say.
    """

    symbol: str
    ts_open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float = math.nan
    trades: float = math.nan
    is_closed: bool = True
    told_ms: int | None = None

    @property
    def values(self) -> tuple[float, float, float, float, float]:
        return self.open, self.high, self.low, self.close, self.volume

    @staticmethod
    def rows(klines: Sequence[LiveKline]) -> CandleRows:
        """The klines as rows of one instrument, in their order."""
        return CandleRows(
            np.array([kline.ts_open_ms for kline in klines], np.int64),
            np.array([kline.values for kline in klines], np.float64).reshape(-1, 5).T.copy(),
            np.array([kline.quote_volume for kline in klines], np.float64),
            np.array([kline.trades for kline in klines], np.float64),
        )

    @staticmethod
    def of_rows(symbol: str, rows: CandleRows) -> list[LiveKline]:
        columns = rows.ts_open_ms, *rows.values, rows.quote_volume, rows.trades
        cells = zip(*(column.tolist() for column in columns), strict=True)
        return [
            LiveKline(symbol, int(ts_ms), open_, high, low, close, volume, quote_volume, trades)
            for ts_ms, open_, high, low, close, volume, quote_volume, trades in cells
        ]


@dataclass(frozen=True)
class StreamReply:
    """A venue's answer to a request of ours on the socket; `request_id` is None where it names none."""

    request_id: str | None
    is_ok: bool
    message: str = ""


def never(message: Any) -> bool:
    return False


@dataclass(frozen=True)
class StreamApi:
    """One market's stream: its address, what a connection may carry, and the frames of both directions.

    `life_s` is the age at which the venue cuts a connection, None where it names none. `max_topics_chars` bounds
    the topics of a connection together. `ping` is a frame that the client itself must send every `ping_every_s`.
    `read_kline` gives None for whatever is no kline of a minute and raises `MalformedAnswer` for one that differs
    from the documentation. `restarts_notice` tells a farewell.
    """

    url: str
    path: str
    max_topics: int
    max_topics_per_request: int
    requests_per_s: float
    topic: Callable[[str], str]
    subscribe: Callable[[Sequence[str], int], str]
    unsubscribe: Callable[[Sequence[str], int], str]
    read_kline: Callable[[Any], LiveKline | None]
    read_reply: Callable[[Any], StreamReply | None]
    restarts_notice: Callable[[Any], bool] = never
    max_topics_chars: int | None = None
    life_s: float | None = None
    ping: str | None = None
    ping_every_s: float = 20.0
