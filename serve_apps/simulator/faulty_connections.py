"""Faults of a market's connections: what is done to the open ones, and what meets those that open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Protocol

from candleray.markets import InstrumentReference, Market
from candleray.simulator.client_conduct import RESTART
from candleray.simulator.faults.fault import Act, Fault
from candleray.simulator.faults.fault_book import FaultBook
from candleray.simulator.market_clock import MarketClock
from candleray.simulator.stream_dialect import HandshakeRefused, KlineFrame, Session, StreamDialect
from candleray.timeframes import MINUTE_MS
from serve_apps.simulator.sockets import VenueSocket

_AGAIN_MS = 20_000
"""The pause until a fault looks again for a connection to befall."""
_RESET_AFTER_S = 0.1
_HUGE_BYTES = 2_000_000
_CUT_LATER_MS = 2 * MINUTE_MS


class MarketConnections(Protocol):
    """A market's streams, as far as their faults need them."""

    market: Market
    dialect: StreamDialect
    sockets: list[VenueSocket]
    clock: MarketClock

    def at(self, ts_ms: int, action: Callable[[], None]) -> None: ...
    def listed(self) -> dict[str, InstrumentReference]: ...
    def log(self, event: str, session: Session | None, **details: object) -> None: ...


class FaultyConnections:
    def __init__(self, streams: MarketConnections, book: FaultBook) -> None:
        self._streams, self._book = streams, book
        self._resets_to_come = 0

    def begin(self, fault: Fault) -> None:
        """Note that a fault has begun, and do to open connections what it does."""
        self._streams.log(
            "fault",
            None,
            kind=fault.kind.name,
            symbol=fault.symbol,
            lasts_ms=fault.lasts_ms,
            variant=fault.variant,
        )
        if fault.kind.act:
            self._befall(fault)

    def _befall(self, fault: Fault) -> None:
        """Act on every connection; where there is none, look again while the fault lasts."""
        assert fault.kind.act
        sockets, now_ms = self._concerned(fault), self._streams.clock.now_ms()
        if not sockets:
            if now_ms + _AGAIN_MS < fault.end_ms:
                self._streams.at(now_ms + _AGAIN_MS, partial(self._befall, fault))
            return
        self._book.meet(fault)
        act = fault.kind.act(fault)
        for venue_socket in sockets:
            self._do(act, fault, venue_socket)
        self._resets_to_come += fault.kind.further(fault)

    def _concerned(self, fault: Fault) -> list[VenueSocket]:
        if fault.symbol is None:
            return list(self._streams.sockets)
        topic, now_ms = self._streams.dialect.topic(fault.symbol), self._streams.clock.now_ms()
        return [each for each in self._streams.sockets if topic in topics_of(each, now_ms)]

    def _do(self, act: Act, fault: Fault, venue_socket: VenueSocket) -> None:
        match act:
            case "cut":
                venue_socket.cut(fault.kind.cut)
            case "reset":
                venue_socket.reset()
            case "mute":
                _mute(venue_socket, fault)
            case "farewell":
                self._bid_farewell(venue_socket, fault)
            case "bad_json":
                venue_socket.say('{"ts":17506')
            case "half_frame":
                venue_socket.break_off("{" * 1000)
            case "binary":
                venue_socket.say_binary(bytes(range(256)))
            case "huge":
                venue_socket.say('"' + "x" * _HUGE_BYTES + '"')

    def _bid_farewell(self, venue_socket: VenueSocket, fault: Fault) -> None:
        now_ms = self._streams.clock.now_ms()
        session, write = venue_socket.session, self._streams.dialect.write_farewell
        if session and write and (notice := write(session, now_ms)):
            venue_socket.say(notice)
        self._streams.at(now_ms + _CUT_LATER_MS * fault.variant, partial(venue_socket.cut, RESTART))

    def refuse_handshake(self, now_ms: int) -> None:
        """Raise `HandshakeRefused` where a fault does."""
        for fault in self._book.on(self._streams.market, now_ms):
            if fault.kind.refuses_handshakes:
                self._book.meet(fault)
                raise HandshakeRefused(503, "Service Unavailable\n")

    def is_open(self, venue_socket: VenueSocket) -> None:
        for fault in self._book.on(self._streams.market, self._streams.clock.now_ms()):
            if fault.kind.mutes_new:
                self._book.meet(fault)
                _mute(venue_socket, fault)

    def has_subscribed(self, venue_socket: VenueSocket) -> None:
        """Reset a connection that has its first topics, a moment later, where resets come in a row."""
        if self._resets_to_come:
            self._resets_to_come -= 1
            asyncio.get_running_loop().call_later(_RESET_AFTER_S, venue_socket.reset)

    def subscribable(self, text: str) -> Collection[str]:
        """The symbols that a request may subscribe to."""
        symbols = set(self._streams.listed())
        for fault in self._book.on(self._streams.market, self._streams.clock.now_ms()):
            if fault.kind.refuses_topic and fault.symbol in symbols:
                symbols.discard(fault.symbol)
                if fault.symbol in text:
                    self._book.meet(fault)
        return symbols

    def stamped(self, frame: KlineFrame) -> KlineFrame:
        """The frame with the venue's stamp, which may be off."""
        for fault in self._book.on(self._streams.market, self._streams.clock.now_ms()):
            off_ms = fault.kind.clock_off_ms(fault)
            if off_ms:
                self._book.meet(fault)
                return replace(frame, at_ms=frame.at_ms + off_ms)
        return frame


def _mute(venue_socket: VenueSocket, fault: Fault) -> None:
    venue_socket.muted_until_ms = max(venue_socket.muted_until_ms, fault.end_ms)


def topics_of(venue_socket: VenueSocket, at_ms: int) -> dict[str, None]:
    """The topics whose frames a connection gets at that time of the venue."""
    session, hears = venue_socket.session, at_ms >= venue_socket.muted_until_ms
    return session.topics if session and session.has_klines and hears else {}
