"""A live run of a strategy: the table of its states, and the models of what is kept of it.

A user starts and stops it; its runner reports how far it is. Every transition goes through `next_state` and is an
event with its cause. `docs/reference/run-states.md` is drawn from the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from candleray.errors import Conflict, Problem
from candleray.timeframes import Timeframe
from candleray.validation import Model


class RunState(StrEnum):
    STARTING = "starting"
    WARMING_UP = "warming_up"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class RunAction(StrEnum):
    RUN = "run"
    STOP = "stop"
    WARM_UP = "warm_up"
    GO_LIVE = "go_live"
    HALT = "halt"
    FAIL = "fail"


class RunMode(StrEnum):
    """Outcome of a run's signals: events alone, or orders on paper too."""

    SIGNALS = "signals"
    PAPER = "paper"


FIRST_STATE = RunState.STARTING

TRANSITIONS: Mapping[RunState, Mapping[RunAction, RunState]] = MappingProxyType(
    {
        RunState.STARTING: {
            RunAction.WARM_UP: RunState.WARMING_UP,
            RunAction.STOP: RunState.STOPPING,
            RunAction.FAIL: RunState.FAILED,
        },
        RunState.WARMING_UP: {
            RunAction.GO_LIVE: RunState.RUNNING,
            RunAction.STOP: RunState.STOPPING,
            RunAction.FAIL: RunState.FAILED,
        },
        RunState.RUNNING: {RunAction.STOP: RunState.STOPPING, RunAction.FAIL: RunState.FAILED},
        RunState.STOPPING: {
            RunAction.HALT: RunState.STOPPED,
            # A run that is stopping does not go on: it starts from the beginning, as after a stop.
            RunAction.RUN: RunState.STARTING,
            RunAction.FAIL: RunState.FAILED,
        },
        RunState.STOPPED: {RunAction.RUN: RunState.STARTING, RunAction.FAIL: RunState.FAILED},
        RunState.FAILED: {RunAction.RUN: RunState.STARTING},
    }
)

ACTION_MEANINGS: Mapping[RunAction, str] = MappingProxyType(
    {
        RunAction.RUN: "the user: start again",
        RunAction.STOP: "the user: stop",
        RunAction.WARM_UP: "the runner: has taken it, reads the warm-up bars",
        RunAction.GO_LIVE: "the runner: warmed up, reads live candles",
        RunAction.HALT: "the runner: has let go of everything",
        RunAction.FAIL: "the runner, or who finds that it is gone: cannot go on",
    }
)

ACTIVE_STATES = tuple(state for state in RunState if state not in (RunState.STOPPED, RunState.FAILED))
"""States of which a strategy has at most one run at a time, which the database enforces."""


def next_state(state: RunState, action: RunAction) -> RunState:
    """The state that the action leads to.

    Raises:
        Conflict: the state does not take the action; the message names those that it takes.
    """
    allowed = TRANSITIONS[state]
    if action not in allowed:
        message = f"a run that is {state} does not take {action}; allowed: {', '.join(allowed)}"
        raise Conflict(message, [Problem("state", "not_allowed", message)])
    return allowed[action]


class RunMetadata(Model):
    """Facts fixed when a run is created, so that a backtest from the same bar can be compared with it."""

    instrument_key: str
    timeframe: Timeframe
    warmup_rule: Literal["numeric_max_param"] = "numeric_max_param"
    warmup_bars: int
    """Bars before the first live one that feed the indicators."""
    lookback_bars: int
    """Bars before the first that can have a signal; more than the warm-up where indicators are chained."""
    warmup_from: datetime
    """Opening time of the first warm-up bar."""


class Parity(StrEnum):
    """The verdict of the last certificate that an instance has made of a run by itself."""

    EQUAL = "equal"
    EXPLAINED = "explained"
    BROKEN = "broken"
    NOT_YET = "not yet"


class Run(Model):
    run_id: UUID
    strategy_id: UUID
    state: RunState
    state_since: datetime
    mode: RunMode = RunMode.SIGNALS
    """`signals`: it says what it would do; `paper`: it makes orders too, at the paper exchange. Fixed as it is
    created."""
    metadata: RunMetadata
    created_at: datetime
    parity: Parity = Parity.NOT_YET
    """The run beside its backtest over the last day: `equal`; `explained` where the candles of today give
    something else and each difference has its minute; `broken` where nothing explains one; `not yet` certified."""
    parity_at: datetime | None = None
    """The moment of that verdict: an instance with more runs than it can certify in a day has older ones."""

    def __repr__(self) -> str:
        return (
            f"<run {self.run_id}: {self.state} since {self.state_since:%Y-%m-%d %H:%M:%S}, "
            f"{self.metadata.instrument_key} {self.metadata.timeframe}>"
        )

    __str__ = __repr__


class RunEvent(Model):
    """One transition."""

    number: int
    """Counted from 1 within the run."""
    action: RunAction
    from_state: RunState | None = None
    """Null at the first, which creates the run."""
    to_state: RunState
    cause: str
    at: datetime


class StartedRun(Run):
    """A run that was started now."""

    notes: tuple[str, ...] = ()
    """Remarks about the candles that it reads."""


class NewRun(Model):
    strategy_id: UUID
    """The strategy to run."""
    mode: RunMode = RunMode.SIGNALS
    """`signals` for events alone, `paper` for orders at the paper exchange besides."""


class RunFilter(Model):
    """Conditions on listed runs; what is left out does not matter."""

    strategy_id: UUID | None = None
    state: RunState | None = None


class RunPage(Model):
    """Runs, the newest first."""

    runs: tuple[Run, ...]
    next_cursor: str | None = None
    """The `cursor` of the next page; `null` after the last."""
