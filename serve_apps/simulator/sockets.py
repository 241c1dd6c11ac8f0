"""The wire: a websocket of a venue, beside uvicorn's HTTP on the same port.

An ASGI application sees messages alone. Here the transport is at hand, so that a connection can be reset without a
close frame and a frame can end in its middle.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from http import HTTPStatus
from typing import Any, Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from candleray.simulator.client_conduct import RESTART, ClientConduct
from candleray.simulator.stream_dialect import Cut, HandshakeRefused, Session, StreamRules

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset."""


class Streams(Protocol):
    """The market streams behind a socket, as far as it needs them."""

    @property
    def connection_speed(self) -> float: ...

    def open(self, target: str) -> Session: ...
    def rules(self, session: Session) -> StreamRules: ...
    def is_open(self, venue_socket: VenueSocket) -> None: ...
    def hear(self, venue_socket: VenueSocket, text: str) -> None: ...
    def is_too_fast(self, venue_socket: VenueSocket) -> None: ...
    def is_closed(self, venue_socket: VenueSocket, how: str) -> None: ...


class VenueSocket(asyncio.Protocol):
    """One connection of a client; uvicorn makes it where a request asks for a websocket."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any]) -> None:
        self._streams: Streams = config.app.state.streams
        self._server_connections: set[Any] = server_state.connections
        self._protocol = ServerProtocol(max_size=2**20, logger=logging.getLogger("uvicorn.error"))
        self._conduct: ClientConduct | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._how = "by the client"
        self.session: Session | None = None
        self.muted_until_ms = 0
        """Acknowledgements and pongs go out, candles do not until that time of the venue."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._server_connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._hear(event)
        self._flush()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_connections.discard(self)
        if self._timer:
            self._timer.cancel()
        if self.session:
            self._streams.is_closed(self, self._how)

    def shutdown(self) -> None:
        """Uvicorn's farewell when the server ends."""
        self.cut(RESTART)

    def _shake_hands(self, request: Request) -> None:
        try:
            session = self._streams.open(request.path)
        except HandshakeRefused as refused:
            response = self._protocol.reject(HTTPStatus(refused.status), refused.text)
            if refused.retry_after_s is not None:
                response.headers["Retry-After"] = str(refused.retry_after_s)
            self._protocol.send_response(response)
            return
        self._protocol.send_response(self._protocol.accept(request))
        self._flush()
        if self._protocol.state is not State.OPEN:
            return
        self.session = session
        self._conduct = ClientConduct(self._streams.rules(session), self._now_s())
        self._watch()
        self._streams.is_open(self)

    def _hear(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE or not self._conduct or not self.is_open:
            return
        verdict = self._conduct.hear(self._now_s())
        if verdict:
            self._streams.is_too_fast(self)
            self.cut(verdict)
        elif frame.opcode is Opcode.PONG:
            self._conduct.hear_pong(bytes(frame.data))
        elif frame.opcode is Opcode.TEXT:
            self._streams.hear(self, bytes(frame.data).decode(errors="replace"))

    def _now_s(self) -> float:
        """Seconds in which pings and frames are counted."""
        return time.monotonic() * self._streams.connection_speed

    def _watch(self) -> None:
        """Ping where it is due, and cut who does not answer, every second."""
        if not self._conduct or not self.is_open:
            return
        now_s = self._now_s()
        verdict = self._conduct.verdict(now_s)
        if verdict:
            self.cut(verdict)
            return
        if self._conduct.is_ping_due(now_s):
            payload = str(int(time.time() * 1000)).encode()
            self._conduct.ping(payload, now_s)
            self._protocol.send_ping(payload)
            self._flush()
        self._timer = asyncio.get_running_loop().call_later(1 / self._streams.connection_speed, self._watch)

    @property
    def is_open(self) -> bool:
        return self._protocol.state is State.OPEN and not self._transport.is_closing()

    def say(self, text: str) -> None:
        if self.is_open:
            self._protocol.send_text(text.encode())
            self._flush()

    def say_binary(self, data: bytes) -> None:
        if self.is_open:
            self._protocol.send_binary(data)
            self._flush()

    def cut(self, cut: Cut) -> None:
        """End the connection with a close frame."""
        self._how = f"close {cut.code} {cut.reason}"
        if self.is_open:
            self._protocol.send_close(cut.code, cut.reason)
            self._flush()
            asyncio.get_running_loop().call_later(5, self._transport.abort)
        else:
            self._transport.close()

    def reset(self) -> None:
        """End the connection without a close frame, by a TCP reset."""
        if self._transport.is_closing():
            return
        self._how = "reset"
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def break_off(self, text: str) -> None:
        """Send the first half of a frame and end the connection in its middle."""
        if self.is_open:
            self._protocol.send_text(text.encode())
            whole = b"".join(self._protocol.data_to_send())
            self._how = "half a frame"
            self._transport.write(whole[: len(whole) // 2])
            self._transport.close()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
