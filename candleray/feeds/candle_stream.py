"""The stream of closed candles: an entry a minute, whose id is the minute, after the store has it.

The server itself refuses a minute twice or an older one. What it cannot take now is kept and tried again; beyond
what is kept, the stream is completed from the store.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from candleray.candles import Candles
from candleray.databases.valkey import StreamEntry
from candleray.exchanges.stream import LiveKline
from candleray.feeds.row_buffer import LiveRow
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS

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


@dataclass
class IncompleteStream:
    """A stream that lacks what the store has of minutes before `until_ms`."""

    instrument: Instrument
    until_ms: int
    since_ms: int


class StreamOutbox:
    """Minutes that the store has and the stream may lack, and instruments whose stream is to be completed.

    No minute enters a stream after a newer one. So a newer one waits for those before it that may still come, but
    not for ever. `now_ms` is of one clock that is never set back.
    """

    def __init__(self, patience_ms: int) -> None:
        self.incomplete: dict[str, IncompleteStream] = {}
        self._patience_ms = patience_ms
        self._waiting: defaultdict[str, dict[int, tuple[StreamEntry, int]]] = defaultdict(dict)
        self._instruments: dict[str, Instrument] = {}
        self._published_ms: dict[str, int] = {}
        """The newest minute that the server is known to have."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def complete(self, instrument: Instrument, until_ms: int, now_ms: int) -> None:
        """Compare the stream with the store before anything else of this instrument is published."""
        known = self.incomplete.setdefault(instrument.key, IncompleteStream(instrument, until_ms, now_ms))
        known.until_ms = max(known.until_ms, until_ms)

    def add(self, rows: Iterable[LiveRow], ingested_ms: int, now_ms: int, *, are_first: bool = True) -> None:
        """Take rows that the store has acknowledged; of a minute the first version alone.

        Args:
            are_first: False where the store had some of these minutes before. Somebody else brought them, so what
                they had first is read from it.
        """
        for row in rows:
            key, ts_ms = row.instrument.key, row.kline.ts_open_ms
            waiting = self._waiting[key]
            self._instruments[key] = row.instrument
            if ts_ms <= self._published_ms.get(key, -1) or ts_ms in waiting:
                continue
            if not are_first:
                self.complete(row.instrument, ts_ms + MINUTE_MS, now_ms)
                continue
            waiting[ts_ms] = entry_of(row.instrument, row.kline, ingested_ms), now_ms
            if len(waiting) > WAITING_PER_INSTRUMENT:
                self.complete(row.instrument, max(waiting) + MINUTE_MS, now_ms)
                waiting.clear()

    def batch(self, expected_ms: Callable[[Instrument], int], now_ms: int) -> list[StreamEntry]:
        """The next entries to be published, in their order.

        Args:
            expected_ms: the first minute of an instrument that may still come.
        """
        found: list[StreamEntry] = []
        for key, waiting in self._waiting.items():
            if not waiting or key in self.incomplete:
                continue
            until_ms = expected_ms(self._instruments[key])
            for ts_ms in sorted(waiting):
                entry, added_ms = waiting[ts_ms]
                if len(found) >= BATCH or (ts_ms > until_ms and now_ms - added_ms < self._patience_ms):
                    break
                found.append(entry)
        return found

    def to_complete(self, expected_ms: Callable[[Instrument], int], now_ms: int) -> list[IncompleteStream]:
        """The incomplete streams for which nothing more is to be waited for."""
        return [
            one
            for one in self.incomplete.values()
            if expected_ms(one.instrument) >= one.until_ms or now_ms - one.since_ms >= self._patience_ms
        ]

    def held_to(self, last_ids: Mapping[str, str | None], now_ms: int) -> bool:
        """Given the last entries of streams: True where each has what the server had taken; others are completed.

        A stream that is not there is begun by completing it.
        """
        found = True
        for stream, last_id in last_ids.items():
            key = stream.removeprefix(STREAMS)
            published_ms = self._published_ms.get(key, -1)
            if last_id is None or minute_of(last_id) < published_ms:
                newest_ms = max(published_ms, *self._waiting[key])
                self.complete(self._instruments[key], newest_ms + MINUTE_MS, now_ms)
                found = False
        return found

    def done(self, entries: Sequence[StreamEntry]) -> None:
        """The server has taken or refused them."""
        for entry in entries:
            key, ts_ms = entry.stream.removeprefix(STREAMS), minute_of(entry.entry_id)
            self._waiting[key].pop(ts_ms, None)
            self._published_ms[key] = max(ts_ms, self._published_ms.get(key, -1))

    def completed(self, one: IncompleteStream, end_ms: int, last_ms: int) -> None:
        """The stream has what the store has of minutes before `end_ms`; its last entry is of `last_ms`."""
        key = one.instrument.key
        self._published_ms[key] = last_ms
        if one.until_ms <= end_ms:  # meanwhile more may have been given up for it
            self.incomplete.pop(key, None)


def minute_of(entry_id: str | None) -> int:
    """The minute of an entry; -1 of none."""
    return -1 if entry_id is None else int(entry_id.partition("-")[0])
