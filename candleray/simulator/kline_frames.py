"""Frames of candles: single minutes of a source, forming and closed, each at its time."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

from candleray.candles import CandleRows
from candleray.markets import Market
from candleray.simulator.candle_source import CandleSource
from candleray.simulator.stream_dialect import Candle, KlineFrame, StreamRules
from candleray.timeframes import MINUTE_MS

_BLOCK_MS = 240 * MINUTE_MS
_REAL_PUSHES_A_SECOND = 4
"""Forming frames a symbol that a fast clock sends at most: more would hide the closed ones behind them."""


class MinuteCandles:
    """Single candles of a source, which is read in blocks."""

    def __init__(self, source: CandleSource) -> None:
        self._source = source
        self._blocks: dict[tuple[int, str], tuple[int, dict[int, Candle]]] = {}

    def at(self, market: Market, symbol: str, ts_open_ms: int) -> Candle | None:
        key, block = (market.market_id, symbol), ts_open_ms // _BLOCK_MS
        read, candles = self._blocks.get(key, (None, {}))
        if read != block:
            rows = self._source.candles(market, symbol, block * _BLOCK_MS, (block + 1) * _BLOCK_MS)
            candles = {candle.ts_open_ms: candle for candle in candles_of(rows)}
            self._blocks[key] = block, candles
        return candles.get(ts_open_ms)


def candles_of(rows: CandleRows) -> Iterator[Candle]:
    numbers = (*rows.values.tolist(), rows.quote_volume.tolist(), rows.trades.tolist())
    return map(Candle, rows.ts_open_ms.tolist(), *numbers)


def closed_frame(market: Market, rules: StreamRules, symbol: str, candle: Candle) -> KlineFrame:
    """The frame that closes a candle, a little after its minute as its venue pushes it."""
    delay_ms = 20 + crc32(f"{market.market_id}/{symbol}/{candle.ts_open_ms}".encode()) % rules.close_delay_ms
    return KlineFrame(candle.ts_open_ms + MINUTE_MS + delay_ms, symbol, candle, is_closed=True)


def forming_frames(
    market: Market, rules: StreamRules, symbol: str, candle: Candle, speed: float
) -> Iterator[KlineFrame]:
    """The frames of a candle that is forming. A fast clock gets fewer, and one at least."""
    pushes = pushes_a_minute(rules, speed)
    phase_ms = crc32(f"{market.market_id}/{symbol}".encode()) % (MINUTE_MS // pushes)
    for push in range(pushes):
        after_ms = MINUTE_MS * push // pushes + phase_ms
        yield KlineFrame(
            candle.ts_open_ms + after_ms, symbol, forming(candle, after_ms / MINUTE_MS), is_closed=False
        )


def pushes_a_minute(rules: StreamRules, speed: float) -> int:
    most = MINUTE_MS // rules.push_ms
    return max(1, min(most, int(60 * _REAL_PUSHES_A_SECOND / speed))) if speed else most


def forming(candle: Candle, share: float) -> Candle:
    """The candle when that share of its minute is over."""
    open_, close = candle.open, candle.close
    return candle._replace(
        high=max(open_, close),
        low=min(open_, close),
        close=open_,
        volume=candle.volume * share,
        quote_volume=candle.quote_volume * share,
        trades=float(int(candle.trades * share)),
    )
