"""The streams of all markets: who subscribed to what, and what is sent to them at which time of the venue."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from urllib.parse import parse_qsl, urlsplit

from candleray.markets import InstrumentReference, Market
from candleray.simulator.client_conduct import LIVED, AddressConduct
from candleray.simulator.faults.fault import Fault
from candleray.simulator.kline_frames import closed_frame, forming_frames
from candleray.simulator.market_clock import MarketClock
from candleray.simulator.sent_log import SentLog
from candleray.simulator.stream_dialect import HandshakeRefused, KlineFrame, Session, StreamRules
from candleray.simulator.venue_record import VenueRecord
from candleray.simulator.venues import simulated_markets, simulated_venues
from candleray.timeframes import MINUTE_MS
from serve_apps.simulator.faulty_connections import FaultyConnections, topics_of
from serve_apps.simulator.sockets import VenueSocket

_LONGEST_WAIT_S = 60.0


class MarketStreams:
    """The connections of one market, and what is due to them: frames, and the beginnings of faults."""

    def __init__(self, market: Market, record: VenueRecord, clock: MarketClock, log: SentLog) -> None:
        self.market = market
        self.dialect = simulated_venues()[market.exchange].streams
        self.rules = self.dialect.rules[market.market_type]
        self.sockets: list[VenueSocket] = []
        self.sent: Counter[str] = Counter()
        self.address = AddressConduct(self.rules)
        self.faulty = FaultyConnections(self, record.book)
        self.record, self.clock, self._log = record, clock, log
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        self._boundary_ms = (clock.now_ms() // MINUTE_MS + 1) * MINUTE_MS

    def listed(self) -> dict[str, InstrumentReference]:
        view = self.record.view(self.clock.now_ms())
        return {each.symbol: each for each in view.instruments(self.market) if each.is_tradable}

    def next_ms(self) -> int:
        return min(self._boundary_ms, self._due[0][0]) if self._due else self._boundary_ms

    @property
    def begins_ms(self) -> int:
        """The next minute, whose frames are not planned yet."""
        return self._boundary_ms

    def at(self, ts_ms: int, action: Callable[[], None]) -> None:
        """Have something done at that time; things of one time in the order in which they were asked for."""
        heapq.heappush(self._due, (ts_ms, next(self._numbers), action))

    def push_due(self) -> None:
        """Do what is due, up to the next minute at most; the caller comes again."""
        now_ms = self.clock.now_ms()
        self._do_until(min(now_ms, self._boundary_ms))
        if now_ms >= self._boundary_ms:
            self._begin_minute(self._boundary_ms)
            self._boundary_ms += MINUTE_MS

    def _do_until(self, now_ms: int) -> None:
        while self._due and self._due[0][0] <= now_ms:
            heapq.heappop(self._due)[2]()

    def _begin_minute(self, ts_open_ms: int) -> None:
        """Plan the frames that close the minute before, those of the one that begins, and its faults."""
        self._end_old_connections(ts_open_ms)
        self.record.book.prepare(self.market, ts_open_ms + MINUTE_MS)
        for fault in self.record.book.beginning(self.market, ts_open_ms, ts_open_ms + MINUTE_MS):
            self.at(fault.start_ms, partial(self.faulty.begin, fault))
        topics = {topic for venue_socket in self.sockets for topic in topics_of(venue_socket, ts_open_ms)}
        instruments = {each.symbol: each for each in self.record.view(ts_open_ms).instruments(self.market)}
        for symbol, instrument in instruments.items():
            if self.dialect.topic(symbol) in topics:
                for frame in self._frames(symbol, ts_open_ms):
                    self.at(frame.at_ms, partial(self._send, frame, instrument))

    def _frames(self, symbol: str, ts_open_ms: int) -> list[KlineFrame]:
        """The frames of a symbol, with their faults; a minute without a trade has none."""
        before = self.record.undisturbed(self.market, symbol, ts_open_ms - MINUTE_MS)
        begun = self.record.undisturbed(self.market, symbol, ts_open_ms)
        frames = []
        if before and before.volume:
            frames.append(closed_frame(self.market, self.rules, symbol, before))
        if begun and begun.volume:
            frames += forming_frames(self.market, self.rules, symbol, begun, self.clock.speed)
        return self.record.change_frames(self.market, symbol, frames)

    def _end_old_connections(self, now_ms: int) -> None:
        for venue_socket in list(self.sockets):
            session, life_ms = venue_socket.session, self.rules.life_ms
            if life_ms is not None and session and now_ms - session.opened_ms >= life_ms:
                venue_socket.cut(LIVED)

    def _send(self, frame: KlineFrame, instrument: InstrumentReference) -> None:
        """Send a frame to who subscribed; one that nobody asked for, to all who hear of the symbol at all."""
        topic, texts = self.dialect.topic(instrument.symbol), dict[bool, str]()
        shown = self.faulty.stamped(frame)
        for venue_socket in list(self.sockets):
            session = venue_socket.session
            if session is None or topic not in topics_of(venue_socket, frame.at_ms):
                continue
            if session.is_combined not in texts:
                texts[session.is_combined] = self.dialect.write_kline(session, instrument, shown)
            venue_socket.say(texts[session.is_combined])
            self._note(session, frame)

    def _note(self, session: Session, frame: KlineFrame) -> None:
        self.sent["closed" if frame.is_closed else "forming"] += 1
        if frame.is_closed:
            self.log("kline", session, symbol=frame.symbol, ts_open_ms=frame.candle.ts_open_ms,
                     version=frame.version, close=frame.candle.close, fault=frame.fault)  # fmt: skip

    def log(self, event: str, session: Session | None, **details: object) -> None:
        real_ms, number = int(time.time() * 1000), session.number if session else None
        self._log.add(event, self.clock.now_ms(), self.market.name, real_ms=real_ms, connection=number, **details)


class Streams:
    """Every market's streams, with one clock."""

    def __init__(
        self, record: VenueRecord, clock: MarketClock, log: SentLog, *, connection_speed: float = 1.0
    ) -> None:
        self.connection_speed = connection_speed
        self.clock, self.record = clock, record
        self.markets = {
            market.market_id: MarketStreams(market, record, clock, log) for market in simulated_markets()
        }
        self._connections = count(1)
        self._woken = asyncio.Event()

    def of(self, session: Session) -> MarketStreams:
        return self.markets[session.market.market_id]

    def rules(self, session: Session) -> StreamRules:
        return self.of(session).rules

    async def run(self) -> None:
        """Push what is due, for ever."""
        while True:
            for streams in self.markets.values():
                streams.push_due()
            self._hold_clock()
            await asyncio.sleep(0)
            await self._reach(min(streams.next_ms() for streams in self.markets.values()))

    def _hold_clock(self) -> None:
        """Let a fast clock run no further than a minute ahead of what was sent, however busy this machine is."""
        sent_ms = min(streams.begins_ms for streams in self.markets.values())
        self.clock.hold_at(sent_ms + MINUTE_MS if self.clock.speed > 1 else math.inf)

    async def _reach(self, ts_ms: int) -> None:
        woken = self._woken
        left_s = self.clock.real_s_until(ts_ms)
        if left_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(left_s) else min(left_s, _LONGEST_WAIT_S)):
                    await woken.wait()

    def inject(self, fault: Fault) -> None:
        """Have a fault begin now."""
        self.record.book.begun[fault.kind.name] += 1
        self.markets[fault.market.market_id].faulty.begin(fault)
        self._wake()

    def move_clock(self, *, speed: float | None, step_s: float | None) -> None:
        if speed is not None:
            self.clock.set_speed(speed)
        if step_s is not None:
            self.clock.hold_at(math.inf)
            self.clock.step(step_s * 1000)
        self._wake()

    def _wake(self) -> None:
        """Have what is due looked at anew: the clock was moved, or something is due earlier than it was."""
        self._woken.set()
        self._woken = asyncio.Event()

    def open(self, target: str) -> Session:
        """The session of a handshake; raises `HandshakeRefused`."""
        parts = urlsplit(target)
        now_ms = self.clock.now_ms()
        for venue in simulated_venues().values():
            session = venue.streams.open_session(parts.path, dict(parse_qsl(parts.query)))
            if session:
                self.of(session).faulty.refuse_handshake(now_ms)
                self.of(session).address.connect(now_ms)
                session.number, session.opened_ms = next(self._connections), now_ms
                return session
        raise HandshakeRefused(404, "no exchange has this path\n")

    def is_open(self, venue_socket: VenueSocket) -> None:
        session = _session(venue_socket)
        streams = self.of(session)
        streams.sockets.append(venue_socket)
        streams.log("opened", session, topics=list(session.topics))
        streams.faulty.is_open(venue_socket)
        if session.topics:
            streams.faulty.has_subscribed(venue_socket)

    def hear(self, venue_socket: VenueSocket, text: str) -> None:
        session = _session(venue_socket)
        streams = self.of(session)
        before = len(session.topics)
        for answer in streams.dialect.read(session, text, streams.faulty.subscribable(text)):
            venue_socket.say(answer)
        if len(session.topics) != before:
            streams.log("subscribed", session, topics=len(session.topics))
            if not before:
                streams.faulty.has_subscribed(venue_socket)

    def is_too_fast(self, venue_socket: VenueSocket) -> None:
        session = _session(venue_socket)
        banned = self.of(session).address.strike(self.clock.now_ms())
        self.of(session).log("too_many_frames", session, banned=banned)

    def is_closed(self, venue_socket: VenueSocket, how: str) -> None:
        session = _session(venue_socket)
        streams = self.of(session)
        if venue_socket in streams.sockets:
            streams.sockets.remove(venue_socket)
        streams.log("closed", session, how=how)


def _session(venue_socket: VenueSocket) -> Session:
    assert venue_socket.session is not None
    return venue_socket.session
