"""Rows on their way into the store: batches by age and number, one at a time, tried again until they are kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from candleray.exchanges.stream import LiveKline
from candleray.feeds.pace import Pace
from candleray.markets import Instrument

RowSource = Literal["websocket", "rest"]

BATCH_ROWS = 1000
MOST_ROWS = 200_000
"""Rows that wait in memory while the store is away; beyond, the oldest are asked for again by REST later."""


@dataclass(frozen=True)
class LiveRow:
    instrument: Instrument
    kline: LiveKline
    source: RowSource

    @property
    def minute(self) -> tuple[int, str, int]:
        return self.instrument.market_id, self.instrument.symbol, self.kline.ts_open_ms


@dataclass
class RowBuffer:
    pace: Pace
    batch_rows: int = BATCH_ROWS
    most_rows: int = MOST_ROWS
    failures: int = 0
    retry_at_ms: int = 0
    _since_ms: int = 0
    _waiting: deque[LiveRow] = field(default_factory=deque)
    _under_way: list[LiveRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    def add(self, row: LiveRow, now_ms: int) -> list[LiveRow]:
        """Take a row; return those that there is no room for any more."""
        if not self._waiting:
            self._since_ms = now_ms
        self._waiting.append(row)
        excess = len(self) - self.most_rows
        return [self._waiting.popleft() for _ in range(min(excess, len(self._waiting)))]

    def due_at_ms(self) -> int | None:
        """The time of the next batch; None while one is under way or nothing waits."""
        if self._under_way or not self._waiting:
            return None
        full = len(self._waiting) >= self.batch_rows
        return max(self._since_ms + (0 if full else self.pace.flush_ms), self.retry_at_ms)

    def take(self, now_ms: int) -> list[LiveRow]:
        """The batch that is due, of one source and with one row a minute; empty where none is.

        Two versions of a minute in one insert would both be refused, because nothing says which is newer.
        """
        due_ms = self.due_at_ms()
        if due_ms is None or due_ms > now_ms:
            return []
        source = self._waiting[0].source
        left: deque[LiveRow] = deque()
        minutes: set[tuple[int, str, int]] = set()
        skipped: set[tuple[int, str, int]] = set()
        while self._waiting and len(self._under_way) < self.batch_rows:
            row = self._waiting.popleft()
            if row.source != source or row.minute in minutes or row.minute in skipped:
                skipped.add(row.minute)
                left.append(row)
            else:
                minutes.add(row.minute)
                self._under_way.append(row)
        self._waiting.extendleft(reversed(left))
        return list(self._under_way)

    def kept(self) -> None:
        """The store has acknowledged the batch."""
        self._under_way = []
        self.failures, self.retry_at_ms = 0, 0

    def put_back(self, rows: Sequence[LiveRow], now_ms: int) -> None:
        """Take rows again that the store does not take yet."""
        self._waiting.extendleft(reversed(rows))
        self._since_ms = now_ms
        self.retry_at_ms = now_ms + self.pace.retry_ms

    def failed(self, now_ms: int) -> None:
        """The batch is to be tried again, after a pause that grows."""
        self._waiting.extendleft(reversed(self._under_way))
        self._under_way = []
        self.failures += 1
        self.retry_at_ms = now_ms + self.pace.pause_ms(self.failures, self.pace.longest_retry_ms) // 2
