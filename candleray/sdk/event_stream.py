"""A stream of server-sent events that is opened again after a cut, behind what was read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from candleray.errors import CandlerayError, ServiceUnavailable, TooManyRequests
from candleray.live.events import StrategyEvent
from candleray.live.standing import RunStanding
from candleray.sdk.connection import Connection, error_in, read

SILENT_S = 45.0
"""The API sends a sign of life every 15 s: a stream without any for so long is cut."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0

OnStandings = Callable[[Sequence[RunStanding]], None]
OnCut = Callable[[str], None]


class SentEvent(NamedTuple):
    name: str
    data: str
    event_id: str


def sent_events(lines: Iterable[str]) -> Iterator[SentEvent]:
    """The events in the lines of a stream; comments, which are signs of life, are none."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield SentEvent(fields.get("event", "message"), fields["data"], fields.get("id", ""))
            fields = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value


class EventReader:
    """Reads what a user's runs say: in order, each once."""

    def __init__(
        self,
        connection: Connection,
        after: int | None,
        for_s: float | None,
        on_standings: OnStandings | None,
        on_cut: OnCut | None,
    ) -> None:
        self.after = after
        self._connection = connection
        self._ends_at = None if for_s is None else time.monotonic() + for_s
        self._on_standings = on_standings
        self._on_cut = on_cut
        self._pause_s = FIRST_PAUSE_S
        self._has_ended = False

    def events(self) -> Iterator[StrategyEvent]:
        """
        Raises:
            CandlerayError: the API refuses; what passes is waited for instead.
        """
        while not self._has_ended:
            try:
                yield from self._opened()
            except (ServiceUnavailable, TooManyRequests) as error:
                self._pause(error)

    def _opened(self) -> Iterator[StrategyEvent]:
        left_s = None if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())
        params = {
            "after": None if self.after is None else str(self.after),
            "standings": "true" if self._on_standings else "false",
            "for_s": None if left_s is None else f"{left_s:.3f}",
        }
        with self._connection.streamed("/events", params, SILENT_S) as lines:
            for sent in sent_events(lines):
                self._pause_s = FIRST_PAUSE_S
                yield from self._taken(sent)
                if self._has_ended:
                    return
        raise ServiceUnavailable(f"the stream of events from {self._connection.url} ended too soon")

    def _taken(self, sent: SentEvent) -> Iterator[StrategyEvent]:
        if sent.name == "begin":
            self.after = int(sent.event_id)
        elif sent.name == "strategy_event":
            event = read(StrategyEvent, sent.data.encode())
            if event.number > (self.after or 0):
                self.after = event.number
                yield event
        elif sent.name == "standings" and self._on_standings:
            self._on_standings(read(list[RunStanding], sent.data.encode()))
        elif sent.name == "error":
            raise error_in(sent.data)
        elif sent.name == "end":
            self._has_ended = True

    def _pause(self, error: CandlerayError) -> None:
        left_s = self._pause_s if self._ends_at is None else self._ends_at - time.monotonic()
        if left_s <= 0:
            raise error
        if self._on_cut:
            self._on_cut(error.message)
        time.sleep(min(self._pause_s, left_s))
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
