"""A live view of runs: a table that changes in a terminal, a line for each event elsewhere, JSON on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import UUID

import typer

from candleray.errors import CandlerayError, NotFound, ServiceUnavailable, TooManyRequests
from candleray.live.events import SignalChange, StateChange, StrategyEvent
from candleray.live.run import ACTIVE_STATES, Run
from candleray.live.standing import RECENT_S, RunStanding
from candleray.terminal.console import notes, output
from candleray.terminal.hints import SHORT_ID
from candleray.terminal.run_words import event_line, event_words, lag_words, position_words
from candleray.text_table import aligned

if TYPE_CHECKING:
    from rich.console import Group

    from candleray.sdk.client import Client

COLUMNS = (
    *("run", "mode", "instrument", "bars", "state", "lag", "signal", "position", "return %", "trades", "parity"),
    "last said",
)
READ_AGAIN_S = 60.0
"""No event tells of a run's parity."""
_TEXT = tuple(name for name in COLUMNS if name not in ("return %", "trades"))


class RunWatch:
    """The runs that are watched, and what is known of each."""

    def __init__(
        self, client: Client, run_id: UUID | None, as_json: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._clock = clock
        self._only = run_id
        self._as_json = as_json
        self._runs: dict[UUID, Run] = {}
        self._standings: dict[UUID, tuple[RunStanding, float]] = {}
        """The standings that were told last, and when, by the monotonic clock."""
        self._signals: dict[UUID, str] = {}
        self._said: dict[UUID, str] = {}
        self._is_cut = False
        self._is_table = False
        self._read_at_s = 0.0
        self._read()

    def _read(self) -> None:
        """Read the runs as they are now."""
        self._read_at_s = self._clock()
        for run in [self._client.run(self._only)] if self._only else self._active():
            self._runs[run.run_id] = run

    def _active(self) -> list[Run]:
        return [run for state in ACTIVE_STATES for run in self._client.runs(state=state)]

    def follow(self, after: int | None, for_s: float | None) -> None:
        """Show what comes, until the time is over or somebody leaves."""
        events = self._client.events(after, for_s=for_s, on_standings=self._stand, on_cut=self._cut)
        with self._shown():
            for event in events:
                self._back()
                if self._only in (None, event.run_id):
                    self._take(event)

    def _take(self, event: StrategyEvent) -> None:
        run = self._run_of(event)
        body = event.body
        if run and isinstance(body, StateChange):
            self._runs[event.run_id] = run.model_copy(update={"state": body.to_state})
        if isinstance(body, SignalChange):
            self._signals[event.run_id] = body.signal
        self._said[event.run_id] = f"{event.ts_open:%m-%d %H:%M} {event_words(body)}"
        if self._as_json:
            typer.echo(event.model_dump_json())
        elif not self._is_table:
            output().print(event_line(event, subject_of(run) if run else str(event.run_id)[:SHORT_ID]))

    def _run_of(self, event: StrategyEvent) -> Run | None:
        """The run of an event; None where it cannot be read now, which a watch outlives."""
        if event.run_id not in self._runs:
            try:
                self._runs[event.run_id] = self._client.run(event.run_id)
            except (ServiceUnavailable, TooManyRequests):
                return None
        return self._runs[event.run_id]

    def _stand(self, standings: Sequence[RunStanding]) -> None:
        self._back()
        for standing in standings:
            if standing.run_id not in self._runs and self._only is None:
                try:
                    self._runs[standing.run_id] = self._client.run(standing.run_id)
                except NotFound:
                    continue
            self._standings[standing.run_id] = standing, self._clock()
            self._signals[standing.run_id] = standing.signal
        if self._clock() - self._read_at_s > READ_AGAIN_S:
            with suppress(CandlerayError):  # a verdict that is a minute older
                self._read()

    def _cut(self, reason: str) -> None:
        if not self._is_cut and not self._is_table:
            notes().print(f"connection lost: {reason}. It goes on behind the last event once it is back")
        self._is_cut = True

    def _back(self) -> None:
        if self._is_cut and not self._is_table:
            notes().print("connected again")
        self._is_cut = False

    @contextmanager
    def _shown(self) -> Iterator[None]:
        if self._as_json or not output().is_terminal:
            yield
            return
        from rich.live import Live

        self._is_table = True
        # Drawn by the clock: what nobody tells any more goes, and many events at once cost no drawing each.
        with Live(get_renderable=self._table, console=output()):
            yield

    def _table(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        # Lists: the thread that draws is another one.
        shown_runs = [run for run in list(self._runs.values()) if self._only or run.state in ACTIVE_STATES]
        standings = {run.run_id: self._standing_of(run) for run in shown_runs}
        rows = [self._row(run, standings[run.run_id]) for run in shown_runs]
        width = output().width if output().is_terminal else None
        lines = aligned(COLUMNS, rows, text=_TEXT, width=width)
        shown = [Text(line, style="bold cyan") for line in lines.header]
        shown += [Text(line) for line in lines.body]
        for one in filter(None, standings.values()):
            if one.waits_for:
                shown.append(Text(f"{str(one.run_id)[:SHORT_ID]} waits for {one.waits_for}", style="yellow"))
        if self._is_cut:
            shown.append(Text("connection lost: what stands here is old", style="bold red"))
        if not rows:
            shown.append(Text("no run is active: `candleray run start STRATEGY` starts one"))
        return Group(*shown)

    def _standing_of(self, run: Run) -> RunStanding | None:
        """The standing of a run; None where nobody runs it any more, or nobody tells."""
        standing, told_s = self._standings.get(run.run_id, (None, 0.0))
        is_known = run.state in ACTIVE_STATES and self._clock() - told_s < RECENT_S
        return standing if is_known else None

    def _row(self, run: Run, standing: RunStanding | None) -> tuple[str, ...]:
        return (
            str(run.run_id)[:SHORT_ID],
            run.mode.value,
            run.metadata.instrument_key,
            run.metadata.timeframe,
            run.state.value,
            lag_words(standing) if standing else "–",
            self._signals.get(run.run_id, "–"),
            position_words(standing) if standing else "–",
            f"{standing.return_pct:+.3f}" if standing else "–",
            f"{standing.trades:,}" if standing else "–",
            run.parity.value,
            self._said.get(run.run_id, "–"),
        )


def subject_of(run: Run) -> str:
    return f"{str(run.run_id)[:SHORT_ID]} {run.metadata.instrument_key} {run.metadata.timeframe}"
