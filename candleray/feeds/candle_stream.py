"""The stream of closed candles: an entry a minute, whose id is the minute, after the store has it.

The server itself refuses a minute twice or an older one. What it cannot take now is kept and tried again; beyond
what is kept, the stream is completed from the store.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from candleray.candles import Candles
from candleray.databases.valkey import StreamEntry
from candleray.exchanges.stream import LiveKline
from candleray.feeds.row_buffer import LiveRow
from candleray.markets import Instrument

STREAMS = "md.candles.1m."
"""The beginning of the name of every stream of closed minutes; the instrument's key follows."""
KEPT_MS = 86_400_000
"""Entries older than that are trimmed: 98 bytes each, 28 MB for 200 instruments."""
WAITING_PER_INSTRUMENT = 240
"""Minutes that are kept while Valkey is away; beyond, the stream is completed from the store."""
BATCH = 1000


def stream_of(instrument: Instrument) -> str:
    return f"{STREAMS}{instrument.key}"


def entry_of(instrument: Instrument, kline: LiveKline, ingested_ms: int | None) -> StreamEntry:
    """The entry of a minute: numbers as the shortest text that reads back the same, empty where unknown."""
    names = ("open", "high", "low", "close", "volume", "quote_volume", "trades")
    values = (*kline.values, kline.quote_volume, kline.trades)
    fields = {name: _text(value) for name, value in zip(names, values, strict=True)}
    fields["ingested_at"] = "" if ingested_ms is None else str(ingested_ms)
    return StreamEntry(stream_of(instrument), f"{kline.ts_open_ms}-0", fields)


def entries_of(instrument: Instrument, candles: Candles, after_ms: int) -> list[StreamEntry]:
    """Entries of stored candles that open after a moment."""
    rows = zip(candles.ts_open_ms.tolist(), candles.values.T.tolist(), strict=True)
    return [
        entry_of(instrument, LiveKline(instrument.symbol, ts_ms, *values), None)
        for ts_ms, values in rows
        if ts_ms > after_ms
    ]


def _text(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


class StreamOutbox:
    """Minutes that the store has and the stream may lack, and instruments whose stream is to be completed."""

    def __init__(self) -> None:
        self.incomplete: dict[str, Instrument] = {}
        self._waiting: defaultdict[str, deque[StreamEntry]] = defaultdict(deque)
        self._told: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def complete(self, instrument: Instrument) -> None:
        """Compare the stream with the store before anything else of this instrument is published."""
        self.incomplete[instrument.key] = instrument

    def add(self, rows: Iterable[LiveRow], ingested_ms: int) -> None:
        """Take rows that the store has acknowledged; of a minute the first version alone."""
        for row in sorted(rows, key=lambda row: row.kline.ts_open_ms):
            key, ts_ms = row.instrument.key, row.kline.ts_open_ms
            if ts_ms <= self._told.get(key, -1):
                continue
            self._told[key] = ts_ms
            waiting = self._waiting[key]
            waiting.append(entry_of(row.instrument, row.kline, ingested_ms))
            if len(waiting) > WAITING_PER_INSTRUMENT:
                waiting.clear()
                self.complete(row.instrument)

    def batch(self) -> list[StreamEntry]:
        """The next entries to be published, in their order."""
        found: list[StreamEntry] = []
        for key, waiting in self._waiting.items():
            if key not in self.incomplete:
                found += list(waiting)[: BATCH - len(found)]
            if len(found) >= BATCH:
                break
        return found

    def done(self, entries: Sequence[StreamEntry]) -> None:
        """The server has taken or refused them."""
        for entry in entries:
            waiting = self._waiting.get(entry.stream.removeprefix(STREAMS))
            if waiting and waiting[0] is entry:
                waiting.popleft()

    def completed(self, instrument: Instrument) -> None:
        self.incomplete.pop(instrument.key, None)
