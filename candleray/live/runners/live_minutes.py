"""Closed minutes for a shard's runs: from the streams at once, from the received tape where these lack some."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from candleray.candles import COLUMNS, Candles
from candleray.databases.stream_groups import NoGroup, StreamGroup
from candleray.databases.valkey import StreamEntry
from candleray.errors import CandlerayError
from candleray.feeds.candle_stream import minute_of, stream_of
from candleray.live.runners.shard_state import ShardState
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS

BLOCK_S = 1.0
"""The longest wait for an entry: streams of new runs are read from the next one on."""
IDLE_S = 0.2
FAR_BEHIND_MS = 180 * MINUTE_MS
"""Length of what is missed from which on runs catch up sooner over their histories than bar by bar."""
ENTRIES_AT_ONCE = 100
"""The most that one call reads of each stream."""


class LiveMinutes:
    def __init__(self, state: ShardState) -> None:
        self._state = state
        self._grouped: set[Instrument] = set()
        """Instruments on whose streams the group is known to be."""
        self._rereads = True
        """Entries may have been read and not taken."""
        self._is_away = False
        """The streams could not be read last time."""
        self._moved: dict[Instrument, tuple[int, float]] = {}
        """The first undecided minute of each instrument, and since when it is that."""

    async def read_streams(self) -> float:
        """Take entries as they come; return how long to pause before the next call."""
        instruments = self._state.book.reads
        if not instruments:
            return IDLE_S
        try:
            await self._read(instruments)
        except (CandlerayError, TimeoutError):
            self._rereads = self._is_away = True
            raise
        self._is_away = False
        return 0.0

    async def _read(self, instruments: set[Instrument]) -> None:
        group = StreamGroup(await self._state.services.valkey(), self._state.name)
        of_stream = {stream_of(one): one for one in instruments}
        await self._begin_group(group, instruments)
        try:
            if self._rereads:
                entries = await group.pending(list(of_stream), ENTRIES_AT_ONCE)
            else:
                entries = await group.new(list(of_stream), ENTRIES_AT_ONCE, BLOCK_S)
        except NoGroup:
            self._grouped.clear()  # Valkey has lost it; what it had besides is in the store
            self._state.waits_for_all(time.monotonic())
            return
        if not entries:
            self._rereads = False
            return
        rereads, self._rereads = self._rereads, True
        await self._take(of_stream, entries)
        await self._state.commits.tell()
        await group.acknowledge(entries)
        self._rereads = rereads

    async def _begin_group(self, group: StreamGroup, instruments: set[Instrument]) -> None:
        new = {one: self._state.book.decided_ms(one) or 0 for one in instruments - self._grouped}
        await group.begin({stream_of(one): f"{max(0, ms - MINUTE_MS)}-0" for one, ms in new.items()})
        self._grouped = set(instruments)

    async def _take(self, of_stream: Mapping[str, Instrument], entries: Sequence[StreamEntry]) -> None:
        told: dict[Instrument, dict[int, Mapping[str, str]]] = {}
        for entry in entries:
            told.setdefault(of_stream[entry.stream], {})[minute_of(entry.entry_id)] = entry.fields
        first_ms = {one: min(minutes) for one, minutes in told.items()}
        last_ms = max(max(minutes) for minutes in told.values())
        # A minute that was a hole before it came stays one, although its entry is here.
        verdicts = await self._state.holes.verdicts(first_ms, last_ms + 1)
        async with self._state.turn():
            for instrument, minutes in told.items():
                self._take_from_stream(instrument, minutes, verdicts[instrument])
            await self._state.advance_in_pieces()

    def _take_from_stream(
        self, instrument: Instrument, minutes: Mapping[int, Mapping[str, str]], verdicts: Mapping[int, int]
    ) -> None:
        """Take the unbroken run of minutes that follow; what is missing before the others is waited for."""
        book, waits = self._state.book, self._state.waits
        next_ms = book.decided_ms(instrument)
        if next_ms is None:  # nobody reads it any more
            return
        taken: list[Mapping[str, str]] = []
        first_ms = next_ms
        for ts_ms in sorted(minutes):
            if ts_ms < next_ms:
                continue
            if ts_ms > next_ms or ts_ms in verdicts or not minutes[ts_ms]:
                waits.want(instrument, next_ms, time.monotonic())
                break
            taken.append(minutes[ts_ms])
            next_ms += MINUTE_MS
        if taken:
            book.take(instrument, _candles(first_ms, taken), next_ms)
            waits.came(instrument, next_ms)
        if len(taken) == ENTRIES_AT_ONCE:  # there is more: the store knows how much
            waits.want(instrument, next_ms, time.monotonic())

    async def read_tapes(self) -> float:
        """Read what is due of the received tapes; return how long to pause before the next call."""
        now_s = time.monotonic()
        self._note_overdue(now_s)
        await self._read_tapes(self._state.waits.due(now_s))
        return min(0.1, self._state.time.overdue_s() / 10)

    async def read_without_streams(self) -> float:
        """Look at the tapes of all instruments, where the streams cannot be read."""
        if self._is_away:
            await self._read_tapes(self._state.book.reads)
        return self._state.limits.without_stream_s

    async def _read_tapes(self, instruments: Iterable[Instrument]) -> None:
        starts = {one: ms for one in instruments if (ms := self._state.book.decided_ms(one)) is not None}
        if not starts:
            return
        known = await self._state.tapes.known(starts)
        async with self._state.turn():
            book = self._state.book
            for instrument, minutes in known.items():
                if (start_ms := book.decided_ms(instrument)) is None or start_ms < starts[instrument]:
                    continue
                tape = minutes.live(start_ms)
                if tape.decided_ms - start_ms >= FAR_BEHIND_MS:
                    self._state.take_up_again(instrument)
                    continue
                book.take(instrument, tape.candles, tape.decided_ms)
                self._state.waits.came(instrument, tape.decided_ms)
            await self._state.advance_in_pieces()
        await self._state.commits.tell()

    def _note_overdue(self, now_s: float) -> None:
        """Wait for the next minute of every instrument of which none came for longer than one takes."""
        overdue_s, known = self._state.time.overdue_s(), self._moved
        self._moved = {}
        for one in self._state.book.reads:
            decided_ms = self._state.book.decided_ms(one) or 0
            before_ms, since_s = known.get(one, (decided_ms, now_s))
            if before_ms != decided_ms:
                since_s = now_s
            elif now_s - since_s > overdue_s:
                self._state.waits.want(one, decided_ms, now_s)
            self._moved[one] = decided_ms, since_s


def _candles(first_ms: int, told: Sequence[Mapping[str, str]]) -> Candles:
    stamps = first_ms + np.arange(len(told)) * MINUTE_MS
    values = np.array([[float(fields[name]) for fields in told] for name in COLUMNS])
    return Candles(stamps, values)
