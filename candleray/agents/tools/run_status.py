"""Tell how the user's live runs on paper stand; of one run also its last signals, and whether it does what its
backtest does.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.foreign_text import ForeignText
from candleray.agents.handles import certificate_of, run_of
from candleray.agents.tool import Call, Tool
from candleray.live.run import ACTIVE_STATES, Run
from candleray.live.run_history import RunHistory
from candleray.validation import Model

_SIGNALS = 5


class Arguments(Model):
    run: Annotated[str, Field(max_length=64)] | None = None
    """The id of a run; all of them where left out."""
    limit: Annotated[int, Field(ge=1, le=50)] = 10


class RunLine(Model):
    run_id: str
    strategy_id: str
    state: str
    mode: str
    """`signals` alone, or `paper` with orders at the paper exchange."""
    since: str
    instrument: str
    timeframe: str
    certificate: str
    """The run beside its backtest: equal, explained, broken, or not yet held against it."""


class SignalLine(Model):
    bar: str
    signal: str
    close: float


class Standing(Model):
    signal: str
    side: str | None = None
    equity_quote: float
    return_pct: float
    trades: int
    last_bar: str | None = None
    lag_s: float | None = None
    waits_for: ForeignText | None = None


class Runs(Answer):
    runs: tuple[RunLine, ...]
    standing: Standing | None = None
    last_signals: tuple[SignalLine, ...] = ()
    last_cause: ForeignText | None = None
    """The reason of its last change of state."""
    certificate: str | None = None
    """The resource that holds the certificate, computed when it is read."""


def run_line(run: Run) -> RunLine:
    return RunLine(
        run_id=str(run.run_id),
        strategy_id=str(run.strategy_id),
        state=run.state,
        mode=run.mode,
        since=f"{run.state_since:%Y-%m-%dT%H:%M:%SZ}",
        instrument=run.metadata.instrument_key,
        timeframe=run.metadata.timeframe,
        certificate=run.parity,
    )


def _run(call: Call, asked: Arguments) -> Runs:
    if asked.run is None:
        runs = call.client.runs(limit=asked.limit)
        one = NextCall(tool="run_status", why="one run, with its last signals")
        return Runs(runs=tuple(map(run_line, runs)), next=(one,) if runs else ())
    run = call.client.run(asked.run)
    session = run.standing.session if run.standing else None
    signals = call.client.run_signals(run.run_id, session=session)[-_SIGNALS:]
    return Runs(
        runs=(run_line(run),),
        standing=_standing(run),
        last_signals=tuple(
            SignalLine(bar=f"{s.ts_open:%Y-%m-%dT%H:%MZ}", signal=s.signal, close=s.close) for s in signals
        ),
        last_cause=run.events[-1].cause if run.events else None,
        certificate=certificate_of(run.run_id),
        exact=run_of(run.run_id),
        next=_next(run),
    )


def _standing(run: RunHistory) -> Standing | None:
    if (now := run.standing) is None:
        return None
    return Standing(
        signal=now.signal,
        side=now.side,
        equity_quote=now.equity_quote,
        return_pct=now.return_pct,
        trades=now.trades,
        last_bar=now.last_bar and f"{now.last_bar:%Y-%m-%dT%H:%MZ}",
        lag_s=now.lag_s,
        waits_for=now.waits_for,
    )


def _next(run: RunHistory) -> tuple[NextCall, ...]:
    if run.state not in ACTIVE_STATES:
        return ()
    return (NextCall(tool="control_run", arguments={"action": "stop", "run": str(run.run_id)}, why="stop it"),)


TOOL = Tool("See live runs", Arguments, Runs, _run)
