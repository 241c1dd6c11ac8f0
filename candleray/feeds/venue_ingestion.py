"""Ingestion of one venue: rows of its markets into the store, then into the stream, and what is kept in Postgres.

Raw first, stream second: what anybody ever saw in the stream is in the store. Candles are kept without Valkey and
without Postgres; while the store is away rows wait in memory, and beyond that REST brings them again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from candleray.candles import Candles
from candleray.databases.valkey import Valkey
from candleray.errors import CandlerayError, NotFound, in_words
from candleray.exchanges.rest import RestClient
from candleray.exchanges.stream import LiveKline
from candleray.feeds.candle_stream import KEPT_MS, IncompleteStream, StreamOutbox, entries_of, minute_of, stream_of
from candleray.feeds.feed_state import FeedState
from candleray.feeds.halt_watch import HaltWatch
from candleray.feeds.hole_store import HoleStore
from candleray.feeds.market_feed import HOLES_KEPT_MS
from candleray.feeds.market_ingestion import MarketIngestion
from candleray.feeds.pace import Pace
from candleray.feeds.repair.market_repair import MarketRepair, RepairedStore
from candleray.feeds.row_buffer import LiveRow, RowBuffer
from candleray.feeds.subscriptions import Subscription
from candleray.feeds.websockets.websocket import Connect
from candleray.logs import get_logger
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.screening import NOT_CLOSED
from candleray.markets import MARKETS, Instrument
from candleray.settings import LiveSettings
from candleray.timeframes import MINUTE_MS, from_ms

log = get_logger("feeds")

FOLLOW_S = 2.0
STATE_S = 5.0
_TICK_S, _IDLE_TICK_S = 0.05, 0.5
_LONGEST_PAUSE_S = 5.0
_PREPARED_AT_ONCE = 8
_HOLES_WITHIN_S, _HOLES_AGAIN_S = 3.0, 30.0
_NONE_EXPECTED = _NOTHING_STORED = 2**62


class LiveStore(RepairedStore, Protocol):
    """The store of candles; see `CandleStore` for meanings and errors."""

    async def read_first(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles: ...


STEPS = {
    "_step": "sockets and questions",
    "_flush": "candles into the store",
    "_publish": "minutes into the stream",
    "_follow": "new subscriptions",
    "_judge": "verdicts of holes",
    "step": "repair",
    "_tell": "states of the feeds",
}
"""Words on the work that waits where a step fails."""

Wanted = Callable[[], Awaitable[Sequence[Instrument]]]
"""The instruments to be followed; raises a `CandlerayError` where that cannot be told now."""


@dataclass(frozen=True)
class Services:
    """Places that ingestion writes to and asks; each may be away at any moment."""

    store: LiveStore
    wanted: Wanted
    holes: Callable[[], Awaitable[HoleStore]]
    valkey: Callable[[], Awaitable[Valkey]]
    keep_states: Callable[[Sequence[FeedState]], Awaitable[None]]


class VenueIngestion:
    def __init__(
        self,
        venue: str,
        live: LiveSettings,
        rest: RestClient,
        services: Services,
        connect: Connect | None,
        repair_rest: RestClient | None = None,
    ) -> None:
        """
        Args:
            repair_rest: by which gaps of the past are closed, where that is to leave the others a reserve.
        """
        self.live = live
        self.services = services
        self.buffer = RowBuffer(Pace.of(live))
        self.outbox = StreamOutbox(Pace.of(live).stream_wait_ms)
        self.markets = {
            market.market_id: MarketIngestion(market, live, rest, connect, self._take)
            for market in MARKETS.values()
            if market.exchange == venue
        }
        self.repairs = {
            market_id: MarketRepair(
                market, live, repair_rest or rest, services.store, services.holes, partial(self._fill, market_id)
            )
            for market_id, market in self.markets.items()
        }
        self._not_traded: dict[int, dict[str, str]] = {market_id: {} for market_id in self.markets}
        self._filled: defaultdict[int, set[tuple[str, int]]] = defaultdict(set)
        self._preparing = asyncio.Semaphore(_PREPARED_AT_ONCE)
        self._no_holes_until_s = 0.0
        self._waits: dict[Callable[[], Awaitable[None]], str] = {}
        """Steps that failed last time, with the reason."""
        self._halt = HaltWatch()

    @property
    def is_idle(self) -> bool:
        return not len(self.buffer) and not any(market.feed.minutes for market in self.markets.values())

    async def run(self) -> None:
        """Ingest until this task is cancelled; whatever a step raises, the steps go on."""
        pace_s = max(0.002, min(_TICK_S, self.live.flush_s / 4 / self.live.clock_speed))
        repair_s = max(0.01, min(1.0, self.live.scan_every_s / 10 / self.live.clock_speed))
        try:
            async with asyncio.TaskGroup() as loops:
                for step, every_s in (
                    (self._step, pace_s),
                    (self._flush, pace_s),
                    (self._publish, pace_s),
                    (self._follow, FOLLOW_S),
                    (self._judge, 1.0),
                    (self._tell, STATE_S),
                ):
                    loops.create_task(self._repeat(step, every_s), name=step.__name__)
                for repair in self.repairs.values():
                    loops.create_task(self._repeat(repair.step, repair_s), name="repair")
                loops.create_task(self._halt.watch(), name="halt")
        finally:
            for market in self.markets.values():
                await market.close()

    async def _repeat(self, step: Callable[[], Awaitable[None]], every_s: float) -> None:
        pause_s = every_s
        while True:
            try:
                await step()
                self._waits.pop(step, None)
                pause_s = max(every_s, _IDLE_TICK_S) if self.is_idle else every_s
            except CandlerayError as error:
                pause_s = self._failed(step, error.message, every_s, pause_s)
                log.warning("feed_waits", step=step.__name__, reason=error.message, pause_s=pause_s)
            except Exception as error:
                pause_s = self._failed(step, in_words(error), every_s, pause_s)
                log.exception("feed_step_failed", step=step.__name__)
            await asyncio.sleep(pause_s)

    def _failed(self, step: Callable[[], Awaitable[None]], reason: str, every_s: float, pause_s: float) -> float:
        """Note why a step failed; return the pause before the next attempt, which grows."""
        self._waits[step] = reason[:300]
        return min(max(2 * pause_s, 0.5), max(_LONGEST_PAUSE_S, every_s))

    async def _step(self) -> None:
        for market in self.markets.values():
            await market.step()

    def _take(self, row: LiveRow) -> None:
        for given_back in self.buffer.add(row, self._elapsed_ms()):
            self.markets[given_back.instrument.market_id].feed.lose([given_back])

    def _elapsed_ms(self) -> int:
        """The buffer's clock: one for the markets together, at the venue's speed."""
        return int(time.monotonic() * 1000 * self.live.clock_speed)

    async def _flush(self) -> None:
        """Write the batch that is due; it is tried again until the store has it."""
        if not (batch := self.buffer.take(self._elapsed_ms())):
            return
        parts: defaultdict[Instrument, list[LiveRow]] = defaultdict(list)
        for row in batch:
            parts[row.instrument].append(row)
        rows = [(instrument, LiveKline.rows([row.kline for row in part])) for instrument, part in parts.items()]
        try:
            reports = await self.services.store.insert_many(rows, batch[0].source, self._venue_ms())
        except BaseException:
            self.buffer.failed(self._elapsed_ms())
            raise
        self.buffer.kept()
        for part, report in zip(parts.values(), reports, strict=True):
            self._keep(part, report)

    def _venue_ms(self) -> dict[int, int]:
        return {market_id: market.screened_until_ms for market_id, market in self.markets.items()}

    def _keep(self, rows: list[LiveRow], report: InsertReport) -> None:
        instrument = rows[0].instrument
        market, symbol = self.markets[instrument.market_id], instrument.symbol
        refused = {reason.reason: reason for reason in report.refused}
        if NOT_CLOSED in refused:
            # The venue's clock was set back since they came: the store takes them a little later.
            example = f"{symbol}, {refused[NOT_CLOSED].first_example}"
            market.feed.counts.refuse("waits for the exchange's clock", example)
            self.buffer.put_back(rows, self._elapsed_ms())
            return
        for reason in report.refused:
            market.feed.counts.refuse(
                f"refused by the store: {reason.reason}", f"{symbol}, {reason.first_example}"
            )
        if report.refused:
            return
        now_ms = market.now_ms
        for row in rows:
            if market.feed.keep(row, now_ms):
                self._filled[market.market.market_id].add((row.kline.symbol, row.kline.ts_open_ms))
        are_first = report.written == len(rows) and not report.changed
        self.outbox.add(rows, time.time_ns() // 1_000_000, self._elapsed_ms(), are_first=are_first)

    async def _publish(self) -> None:
        if not self.outbox.incomplete and not len(self.outbox):
            return
        valkey = await self.services.valkey()
        for one in self.outbox.to_complete(self._expected_ms, self._elapsed_ms()):
            await self._complete(valkey, one)
        while batch := self.outbox.batch(self._expected_ms, self._elapsed_ms()):
            streams = sorted({entry.stream for entry in batch})
            last_ids = dict(zip(streams, await valkey.last_ids(streams), strict=True))
            if not self.outbox.held_to(last_ids, self._elapsed_ms()):
                continue
            if await valkey.append(batch, self._kept_from()):
                self.outbox.done(batch)

    async def _complete(self, valkey: Valkey, one: IncompleteStream) -> None:
        """Append what the store has and the stream lacks; to an empty one what is compared at a start."""
        instrument, end_ms = one.instrument, one.until_ms
        (last_id,) = await valkey.last_ids([stream_of(instrument)])
        last_ms = minute_of(last_id)
        kept_ms = KEPT_MS if last_id else int(self.live.look_back_s * 1000)
        start_ms = max(last_ms + MINUTE_MS, end_ms - kept_ms)
        if start_ms < end_ms:
            candles = Candles.empty()
            with suppress(NotFound):
                # As every minute enters the stream: with the values it had first.
                candles = await self.services.store.read_first(
                    instrument.market_id, instrument.symbol, start_ms, end_ms
                )
            if entries := entries_of(instrument, candles, last_ms):
                await valkey.append(entries, self._kept_from(), begins=True)
                last_ms = minute_of(entries[-1].entry_id)
        self.outbox.completed(one, end_ms, last_ms)

    def _expected_ms(self, instrument: Instrument) -> int:
        """The first minute of an instrument that may still come, which newer ones wait for."""
        minutes = self.markets[instrument.market_id].feed.minutes.get(instrument.symbol)
        return minutes.first_expected_ms() if minutes else _NONE_EXPECTED

    def _kept_from(self) -> str:
        return f"{min(market.now_ms for market in self.markets.values()) - KEPT_MS}-0"

    async def _follow(self) -> None:
        """Follow what is wanted and nothing else."""
        found = [one for one in await self.services.wanted() if one.market_id in self.markets]
        wanted = {one.key: one for one in found if not _notice_of(one)}
        self._tell_not_traded(found)
        followed = {
            market.market.instrument_key(symbol): (market, symbol)
            for market in self.markets.values()
            for symbol in market.feed.minutes
        }
        for key in followed.keys() - wanted.keys():
            market, symbol = followed[key]
            market.forget(symbol)
            log.info("feed_forgets", instrument=key)
        new = [wanted[key] for key in wanted if key not in followed]
        market_ids = {one.market_id for one in new}
        await asyncio.gather(*(self.markets[market_id].measure_once() for market_id in market_ids))
        results = await asyncio.gather(*(self._begin(one) for one in new), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _tell_not_traded(self, found: Sequence[Instrument]) -> None:
        """Note which subscribed instruments have no candles, because their exchange does not trade them."""
        told: dict[int, dict[str, str]] = {market_id: {} for market_id in self.markets}
        for one in found:
            if notice := _notice_of(one):
                told[one.market_id][one.symbol] = notice
                if self._not_traded[one.market_id].get(one.symbol) != notice:
                    log.warning("instrument_not_traded", instrument=one.key, reason=notice)
        self._not_traded = told

    async def _begin(self, instrument: Instrument) -> None:
        """Compare the last two hours with the store and follow the instrument; what is older comes by repair."""
        async with self._preparing:
            market = self.markets[instrument.market_id]
            end_ms = market.closed_until_ms
            start_ms = end_ms - int(self.live.look_back_s * 1000) // MINUTE_MS * MINUTE_MS
            window = instrument.market_id, instrument.symbol, start_ms, end_ms
            missing = await self.services.store.missing_ranges(*window)
            holes = await self._open_holes(instrument, min(start_ms, end_ms - HOLES_KEPT_MS), end_ms)
            first_ms, stored_until_ms = await self._stored_span(instrument)
            # From here on nothing may fail: what is followed once is not begun again.
            market.follow(
                instrument.symbol, start_ms, missing.tolist(), end_ms, holes, (first_ms, stored_until_ms)
            )
            if stored_until_ms < start_ms:
                self.repairs[instrument.market_id].miss(instrument.symbol, stored_until_ms, start_ms)
            self.outbox.complete(instrument, end_ms, self._elapsed_ms())
            minutes = int((missing[:, 1] - missing[:, 0]).sum()) // MINUTE_MS
            log.info("feed_follows", instrument=instrument.key, missing_minutes=minutes)

    async def _open_holes(self, instrument: Instrument, start_ms: int, end_ms: int) -> list[int]:
        """Holes that were declared before; without Postgres none, and the verdicts are found again."""
        if time.monotonic() < self._no_holes_until_s:
            return []
        try:
            async with asyncio.timeout(_HOLES_WITHIN_S):
                return await (await self.services.holes()).open_holes(instrument, start_ms, end_ms)
        except (CandlerayError, TimeoutError):
            self._no_holes_until_s = time.monotonic() + _HOLES_AGAIN_S
            return []

    async def _stored_span(self, instrument: Instrument) -> tuple[int, int]:
        """The first candle that is stored, and the end, where an outage of ours may have begun.

        Both are beyond all times where nothing is.
        """
        with suppress(NotFound):
            first_ms, stored_until_ms = await self.services.store.span(instrument.market_id, instrument.symbol)
            if stored_until_ms:
                return first_ms, stored_until_ms
        return _NOTHING_STORED, _NOTHING_STORED

    def _fill(self, market_id: int, symbol: str, ts_ms: int) -> None:
        self._filled[market_id].add((symbol, ts_ms))

    async def _judge(self) -> None:
        """Keep verdicts, and that holes were filled; only then a minute counts as a hole."""
        for market in self.markets.values():
            market_id = market.market.market_id
            if verdicts := list(market.verdicts.values()):
                await (await self.services.holes()).declare(market.market, verdicts)
                for verdict in verdicts:
                    market.feed.declare_hole(verdict, market.now_ms)
                    market.verdicts.pop((verdict.symbol, verdict.ts_open_ms), None)
                for symbol, minutes in Counter(verdict.symbol for verdict in verdicts).items():
                    log.warning("minutes_are_holes", market=market.market.name, symbol=symbol, minutes=minutes)
            if filled := list(self._filled[market_id]):
                await (await self.services.holes()).fill(market.market, filled)
                self._filled[market_id].difference_update(filled)

    async def _tell(self) -> None:
        await self.services.keep_states(self.states())

    def states(self) -> list[FeedState]:
        more = {
            "waiting": len(self.buffer),
            "unpublished": len(self.outbox),
            "waits": {STEPS[step.__name__]: reason for step, reason in self._waits.items()},
            "last_halt": self._halt.last,
        }
        return [
            market.state().model_copy(update=more | self._repair_state(market_id))
            for market_id, market in self.markets.items()
        ]

    def _repair_state(self, market_id: int) -> dict[str, Any]:
        repair = self.repairs[market_id]
        return {
            "catch_up": repair.progress(),
            "repaired": repair.gaps.closed,
            "scanned_at": None if repair.scanned_ms is None else from_ms(repair.scanned_ms),
            "not_traded": self._not_traded[market_id],
        }


def _notice_of(instrument: Instrument) -> str | None:
    """The reason that no candles come of a subscribed instrument."""
    return instrument.notice if isinstance(instrument, Subscription) else None
