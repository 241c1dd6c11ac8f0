"""Repair of one market: scans of the store, questions to REST when nothing live waits, and rows into the store."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np

from candleray.candles import CandleRows, IntArray
from candleray.errors import CandlerayError, NotFound, ServiceUnavailable
from candleray.exchanges.rest import RestClient
from candleray.feeds.feed_state import CatchUp
from candleray.feeds.hole_store import HoleStore
from candleray.feeds.market_feed import DOUBTED_MS, Ask
from candleray.feeds.market_ingestion import MarketIngestion
from candleray.feeds.repair.gaps import Gap, Gaps, without
from candleray.feeds.repair.hole_look import HoleLook
from candleray.feeds.repair.questions import RepairQuestions
from candleray.feeds.repair.scans import Scan, scans_of
from candleray.feeds.repair.second_look import SecondLook
from candleray.feeds.rest_questions import ask_candles, ask_first_candle
from candleray.feeds.row_buffer import RowSource
from candleray.logs import get_logger
from candleray.market_data.insert_report import InsertReport
from candleray.markets import Instrument
from candleray.settings import LiveSettings
from candleray.timeframes import DAY_MS, MINUTE_MS

log = get_logger("feeds")

HOLES_ASKED_MS = 30 * DAY_MS
"""Holes that opened within it are asked for again by the scan of the whole history."""
_TOLD_EVERY_MS = 30_000
_PAGES_A_STEP = 20
_BEHIND_MS = 3 * MINUTE_MS
"""A minute that closed within it is the live feed's alone."""


class RepairedStore(Protocol):
    """The store of candles; see `CandleStore` for meanings and errors."""

    async def insert_many(
        self, batch: Sequence[tuple[Instrument, CandleRows]], source: RowSource, venue_ms: Mapping[int, int]
    ) -> list[InsertReport]: ...

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray: ...

    async def minute_counts(self, market_id: int, start_ms: int, end_ms: int) -> dict[str, int]: ...

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]: ...


class MarketRepair:
    def __init__(
        self,
        ingestion: MarketIngestion,
        live: LiveSettings,
        rest: RestClient,
        store: RepairedStore,
        holes: Callable[[], Awaitable[HoleStore]],
        on_filled: Callable[[str, int], None],
    ) -> None:
        """
        Args:
            on_filled: called with symbol and minute of a hole that came after all.
        """
        self.gaps = Gaps(ingestion.feed.pace)
        self.scanned_ms: int | None = None
        """The venue's time at the end of the last scan of the whole history, its holes asked for."""
        self._ingestion, self._live, self._rest = ingestion, live, rest
        self._questions = RepairQuestions(ingestion, rest)
        self._store, self._holes, self._on_filled = store, holes, on_filled
        self._market, self._feed = ingestion.market, ingestion.feed
        self._scans: Sequence[Scan] = ()
        self._to_scan: deque[str] = deque()
        self._scans_whole = False
        self._second_look = SecondLook(ingestion, self._questions, self._first_of, self._keep_revised)
        self._hole_look = HoleLook(ingestion, self._questions, self._keep_revised, self._note_asked)
        self._first_ms: dict[str, int] = {}
        self._open_holes: defaultdict[str, set[int]] = defaultdict(set)
        self._told_at_ms = 0

    async def step(self) -> None:
        """Scan what is due and ask for one page of what is missing."""
        if not self._feed.minutes or self._ingestion.clock.measured_at_s is None:
            return
        now_ms = self._ingestion.now_ms
        self._scans = self._scans or scans_of(self._live, now_ms)
        for symbol in {gap.symbol for gap in self.gaps.all} - self._feed.minutes.keys():
            self.gaps.forget(symbol)
        if self._to_scan:
            await self._scan_next()
        for scan in self._scans:
            if scan.due_at_ms <= now_ms:
                await self._scan(scan, now_ms)
                scan.done(now_ms)
                break
        for _ in range(_PAGES_A_STEP):
            if not await self._ask_next():
                break
            await asyncio.sleep(0)  # others come in between, however fast the answers are
        await self._second_look.step()
        for _ in range(_PAGES_A_STEP):
            if not await self._hole_look.step():
                break
            await asyncio.sleep(0)
        if self._scans_whole and not self._to_scan and self._hole_look.is_over:
            self._scans_whole, self.scanned_ms = False, self._ingestion.now_ms
            log.info("feed_scanned", market=self._market.name, instruments=len(self._feed.minutes))
        self._tell(self._ingestion.now_ms)

    def miss(self, symbol: str, start_ms: int, end_ms: int) -> None:
        """Take what an outage of ours has left before the minutes that are followed live.

        Those before it may have been revised in its first seconds, so they are asked for once more.
        """
        self._find(symbol, [(_minute(start_ms) - DOUBTED_MS, end_ms)])

    def progress(self) -> CatchUp | None:
        """The course of a repair; None where nothing is missing."""
        if not (left := self.gaps.minutes_left):
            return None
        eta_ms = self.gaps.eta_ms(self._ingestion.now_ms)
        return CatchUp(
            minutes_left=left,
            minutes_done=self.gaps.done,
            instruments=len({gap.symbol for gap in self.gaps.all}),
            eta_s=None if eta_ms is None else round(self._ingestion.clock.real_s(eta_ms), 1),
        )

    async def _scan(self, scan: Scan, now_ms: int) -> None:
        if scan.window_ms is None:
            self._to_scan, self._scans_whole = deque(self._feed.minutes), True
            self._first_ms.clear()
            return
        if scan.asks_again:
            self._second_look.begin(scan.window_ms)
        start_ms, end_ms = _minute(now_ms - scan.window_ms), _minute(now_ms - _BEHIND_MS)
        settled_ms = {symbol: minutes.settled_until_ms for symbol, minutes in self._feed.minutes.items()}
        await self._learn_holes(start_ms, end_ms)
        counts = await self._store.minute_counts(self._market.market_id, start_ms, end_ms)
        for symbol, until_ms in settled_ms.items():
            first_ms = await self._first_of(symbol)
            begin_ms, stop_ms = max(start_ms, first_ms), min(end_ms, until_ms)
            if begin_ms >= stop_ms:
                continue
            holes = [ts_ms for ts_ms in self._open_holes[symbol] if begin_ms <= ts_ms < stop_ms]
            if counts.get(symbol, 0) + len(holes) < (end_ms - begin_ms) // MINUTE_MS:
                await self._compare(symbol, begin_ms, stop_ms, holes)

    async def _scan_next(self) -> None:
        symbol = self._to_scan.popleft()
        try:
            await self._scan_whole(symbol)
        except ServiceUnavailable:
            self._to_scan.append(symbol)
            raise

    async def _scan_whole(self, symbol: str) -> None:
        """Compare all that is stored of an instrument; holes are asked for again from here on."""
        if minutes := self._feed.minutes.get(symbol):
            until_ms, first_ms = minutes.settled_until_ms, await self._first_of(symbol)
            if first_ms < until_ms:
                asked_ms = await self._holes_of(symbol, first_ms, until_ms)
                await self._compare(symbol, first_ms, until_ms, list(asked_ms))
                from_ms = self._ingestion.now_ms - HOLES_ASKED_MS
                self._hole_look.begin(symbol, {ts_ms: at for ts_ms, at in asked_ms.items() if ts_ms >= from_ms})

    async def _holes_of(self, symbol: str, first_ms: int, end_ms: int) -> dict[int, int]:
        with suppress(CandlerayError):  # without them REST is asked, and says the same again
            return await (await self._holes()).asked_holes(self._instrument(symbol), first_ms, end_ms)
        return {}

    async def _note_asked(self, symbol: str, holes_ms: Sequence[int], asked_ms: int) -> None:
        with suppress(CandlerayError):  # else they come first once more
            await (await self._holes()).note_asked(self._instrument(symbol), holes_ms, asked_ms)

    def _instrument(self, symbol: str) -> Instrument:
        return Instrument(market_id=self._market.market_id, symbol=symbol)

    async def _compare(self, symbol: str, start_ms: int, end_ms: int, holes: Sequence[int]) -> None:
        missing = await self._store.missing_ranges(self._market.market_id, symbol, start_ms, end_ms)
        settled = [(ts_ms, ts_ms + MINUTE_MS) for ts_ms in holes]
        self._find(symbol, without([(start, end) for start, end in missing.tolist()], settled))

    def _find(self, symbol: str, ranges: Sequence[tuple[int, int]]) -> None:
        if minutes := self.gaps.find(symbol, ranges, self._ingestion.now_ms):
            log.warning("feed_lacks_minutes", market=self._market.name, symbol=symbol, minutes=minutes)

    async def _learn_holes(self, start_ms: int, end_ms: int) -> None:
        with suppress(CandlerayError):  # without them REST is asked, and says the same again
            found = await (await self._holes()).open_holes_of(self._market, start_ms, end_ms)
            self._open_holes.clear()
            for symbol, ts_ms in found:
                self._open_holes[symbol].add(ts_ms)

    async def _first_of(self, symbol: str) -> int:
        """The first stored minute: before it nothing is missing."""
        if symbol not in self._first_ms:
            try:
                first_ms, end_ms = await self._store.span(self._market.market_id, symbol)
            except NotFound:
                return 2**60
            if not end_ms:
                return 2**60
            self._first_ms[symbol] = first_ms
        return self._first_ms[symbol]

    async def _ask_next(self) -> bool:
        """Ask for a page, if one is due and nothing live is in trouble; False where there was none."""
        now_ms = self._ingestion.now_ms
        if not self._questions.may_be_asked(now_ms):
            return False
        if (gap := self.gaps.take(now_ms, self._feed.page_ms - MINUTE_MS)) is None:
            return False
        rows = None
        with self._questions.asking(gap.symbol, lambda wait_ms: self._put_back(gap, wait_ms)):
            rows = await self._rows_of(gap, now_ms)
        if rows is not None:
            await self._keep(gap, rows, now_ms)
        return True

    def _put_back(self, gap: Gap, wait_ms: int) -> None:
        self.gaps.failed(gap, self._ingestion.now_ms + wait_ms)

    async def _rows_of(self, gap: Gap, now_ms: int) -> CandleRows:
        """The rows from the gap's start on: with one after it, or the first there is where it has none."""
        end_ms = min(gap.end_ms + MINUTE_MS, self._ingestion.closed_until_ms)
        rows = await ask_candles(self._rest, self._market, Ask(gap.symbol, gap.start_ms, end_ms, now_ms))
        return rows if len(rows) else await ask_first_candle(self._rest, self._market, gap.symbol, gap.start_ms)

    async def _keep(self, gap: Gap, rows: CandleRows, asked_ms: int) -> None:
        inside = (rows.ts_open_ms >= gap.start_ms) & (rows.ts_open_ms < gap.end_ms)
        brought = rows.take(np.flatnonzero(inside))
        try:
            if len(brought):
                await self._insert(gap.symbol, brought)
        except BaseException:
            self.gaps.failed(gap, self._ingestion.now_ms)
            raise
        known = (rows.ts_open_ms >= gap.start_ms) & (rows.ts_open_ms < self._ingestion.now_ms)
        stamps = np.sort(rows.ts_open_ms[known])
        for verdict in self.gaps.answered(gap, stamps, asked_ms, self._ingestion.now_ms):
            self._ingestion.verdicts[verdict.symbol, verdict.ts_open_ms] = verdict
        if len(brought):
            await self._fill_holes(gap.symbol, brought.ts_open_ms.tolist())

    async def _keep_revised(self, symbol: str, rows: CandleRows) -> int:
        """Write rows that the store may have otherwise; return how many it had not like that."""
        report = await self._insert(symbol, rows)
        if report.written > report.changed:
            await self._fill_holes(symbol, rows.ts_open_ms.tolist())
        return report.written

    async def _insert(self, symbol: str, rows: CandleRows) -> InsertReport:
        instrument = self._instrument(symbol)
        venue_ms = {self._market.market_id: self._ingestion.closed_until_ms}
        (report,) = await self._store.insert_many([(instrument, rows)], "rest", venue_ms)
        for refused in report.refused:
            example = f"{symbol}, {refused.first_example}"
            self._feed.counts.refuse(f"refused by the store: {refused.reason}", example)
        return report

    async def _fill_holes(self, symbol: str, brought_ms: list[int]) -> None:
        """Note of the holes among these minutes that they came after all."""
        filled = set(brought_ms)
        instrument = self._instrument(symbol)
        with suppress(CandlerayError):  # else all are noted, once Postgres answers
            window = min(brought_ms), max(brought_ms) + MINUTE_MS
            filled &= set(await (await self._holes()).open_holes(instrument, *window))
        minutes = self._feed.minutes.get(symbol)
        for ts_ms in filled:
            if minutes and ts_ms in minutes.holes:
                minutes.acknowledge(ts_ms)
            self._on_filled(symbol, ts_ms)

    def _tell(self, now_ms: int) -> None:
        """Say in the log how far a long repair is, and when it is done."""
        told = self.progress()
        every_ms = _TOLD_EVERY_MS * self._ingestion.clock.speed
        if told is not None and now_ms - self._told_at_ms >= every_ms:
            if self._told_at_ms:
                log.info("feed_catches_up", market=self._market.name, **told.model_dump())
            self._told_at_ms = now_ms
        elif told is None and self._told_at_ms:
            log.info("feed_has_caught_up", market=self._market.name, minutes=self.gaps.done)
            self._told_at_ms = 0


def _minute(ts_ms: int) -> int:
    return ts_ms // MINUTE_MS * MINUTE_MS
