"""A witness of the streams: of each entry it asks raw at once, and at the end all is held against the exchange."""

from __future__ import annotations

import threading
import time
from typing import Any

import redis
from redis.exceptions import RedisError

from candleray.candles import COLUMNS
from candleray.feeds.candle_stream import stream_of
from candleray.markets import Instrument
from tests.support.feeds.ingestion_rig import IngestionRig

Entry = tuple[tuple[float, ...], int | None]
"""The five values, and when the store took them, as the entry says."""


class StreamWitness:
    """Reads every entry as it appears, from `start` to `stop`."""

    def __init__(self, rig: IngestionRig) -> None:
        self.rig = rig
        self.seen: dict[Instrument, dict[int, Entry]] = {one: {} for one in rig.instruments}
        self.early: list[str] = []
        """Entries whose row raw did not have, or had with other values, as they appeared."""
        self.asked = 0
        self._of = {stream_of(one): one for one in rig.instruments}
        self._last = dict.fromkeys(self._of, "0")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.failure: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        if self.failure:
            raise self.failure

    def newest_ms(self) -> int:
        """The minute up to which every stream has come."""
        return min(max(seen, default=0) for seen in self.seen.values())

    def _watch(self) -> None:
        client = redis.Redis.from_url(self.rig.valkey.url, decode_responses=True)
        try:
            while not self._ended.is_set():
                try:
                    told: Any = client.xread(self._last, block=50)
                except (RedisError, OSError):
                    time.sleep(0.02)
                    continue
                for stream, entries in told or ():
                    self.rig.events.add("published")
                    self._take(self._of[stream], entries)
                    self._last[stream] = entries[-1][0]
        except Exception as error:  # noqa: BLE001 - told by `stop`
            self.failure = error

    def _take(self, one: Instrument, entries: list[tuple[str, dict[str, str]]]) -> None:
        stamps = [int(entry_id.partition("-")[0]) for entry_id, _ in entries]
        first_of: dict[int, tuple[Any, ...]] = {}
        for row in self.rig.raw(one, stamps[0], stamps[-1]):
            first_of.setdefault(row[0], row)
        for ts_ms, (_, fields) in zip(stamps, entries, strict=True):
            values = tuple(float(fields[name]) for name in COLUMNS)
            ingested_ms = int(fields["ingested_at"]) if fields["ingested_at"] else None
            row = first_of.get(ts_ms)
            self.asked += 1
            if row is None or row[1:6] != values or (ingested_ms is not None and ingested_ms < row[6]):
                self.early.append(f"{one.key} {ts_ms}: entry {values} {ingested_ms}, raw {row}")
            self.seen[one][ts_ms] = values, ingested_ms
