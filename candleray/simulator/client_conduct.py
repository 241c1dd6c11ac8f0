"""The conduct of a client, and what a venue does about it: frames a second, pongs, silence, connections, bans."""

from __future__ import annotations

from collections import deque

from candleray.simulator.stream_dialect import Cut, HandshakeRefused, StreamRules

TOO_MANY_FRAMES = Cut(1008, "Too many requests")
NO_PONG = Cut(1008, "Pong timeout")
SILENT = Cut(1001, "No heartbeat")
LIVED = Cut(1001, "Connection lived 24 hours")
RESTART = Cut(1012, "Service restart")

_STRIKES = 3
_STRIKES_MS, _BAN_MS, _CONNECTIONS_MS = 3_600_000, 120_000, 300_000


class _Window:
    """The moments of a stretch of time that ends with the newest."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._moments: deque[float] = deque()

    def count(self, now: float) -> int:
        """Note a moment; return how many there are."""
        self._moments.append(now)
        while self._moments[0] <= now - self._length:
            self._moments.popleft()
        return len(self._moments)

    def clear(self) -> None:
        self._moments.clear()


class ClientConduct:
    """The frames of one connection; seconds are real ones, counted from anywhere."""

    def __init__(self, rules: StreamRules, now_s: float) -> None:
        self._rules = rules
        self._frames = _Window(1)
        self._heard_s = self._pinged_s = now_s
        self._unanswered_s: dict[bytes, float] = {}

    def hear(self, now_s: float) -> Cut | None:
        """Count a frame of the client, whatever it is."""
        self._heard_s = now_s
        most = self._rules.client_frames_a_second
        return TOO_MANY_FRAMES if most is not None and self._frames.count(now_s) > most else None

    def hear_pong(self, payload: bytes) -> None:
        """A pong answers the ping of its payload and all before; an unasked one answers nothing."""
        if payload in self._unanswered_s:
            pinged_s = self._unanswered_s[payload]
            self._unanswered_s = {key: s for key, s in self._unanswered_s.items() if s > pinged_s}

    def is_ping_due(self, now_s: float) -> bool:
        every_s = self._rules.ping_every_s
        return every_s is not None and now_s - self._pinged_s >= every_s

    def ping(self, payload: bytes, now_s: float) -> None:
        self._pinged_s = now_s
        self._unanswered_s[payload] = now_s

    def verdict(self, now_s: float) -> Cut | None:
        """The cut of a client that answers no ping, or says nothing, for too long."""
        within_s, silence_s = self._rules.pong_within_s, self._rules.silence_s
        oldest_s = min(self._unanswered_s.values(), default=now_s)
        if within_s is not None and now_s - oldest_s >= within_s:
            return NO_PONG
        return SILENT if silence_s is not None and now_s - self._heard_s >= silence_s else None


class AddressConduct:
    """Record of an address at one market: its connections, and how often it was too fast."""

    def __init__(self, rules: StreamRules) -> None:
        self._rules = rules
        self._connections, self._strikes = _Window(_CONNECTIONS_MS), _Window(_STRIKES_MS)
        self._banned_until_ms = 0

    def connect(self, now_ms: int) -> None:
        """Count a connection, or raise `HandshakeRefused`."""
        if now_ms < self._banned_until_ms:
            wait_s = -(-(self._banned_until_ms - now_ms) // 1000)
            raise HandshakeRefused(418, f"banned until {self._banned_until_ms}", wait_s)
        if self._connections.count(now_ms) > self._rules.most_connections:
            raise HandshakeRefused(429, f"more than {self._rules.most_connections} connections in five minutes")

    def strike(self, now_ms: int) -> bool:
        """Count a cut for too many frames; the third in an hour bans the address, for two minutes."""
        if self._strikes.count(now_ms) < _STRIKES:
            return False
        self._strikes.clear()
        self._banned_until_ms = now_ms + _BAN_MS
        return True
