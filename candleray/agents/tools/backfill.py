"""Fetch an instrument's missing minutes from its exchange, and wait a while; called again it goes on."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.following import WaitSeconds
from candleray.agents.foreign_text import ForeignText
from candleray.agents.tool import Call, Effect, Tool
from candleray.errors import CandlerayError, ServiceUnavailable, TooManyRequests
from candleray.market_data.backfill_report import BackfillReport
from candleray.timeframes import iso, ms_of, to_ms
from candleray.validation import Model


class Arguments(Model):
    market: Annotated[str, Field(max_length=40)]
    symbol: Annotated[str, Field(max_length=32)]
    start: Annotated[str, Field(max_length=40)]
    """The first minute, such as 2025-01-01."""
    end: Annotated[str, Field(max_length=40)] | None = None
    """The first minute after the last; now where left out."""
    wait_s: WaitSeconds = 30


class Fetched(Answer):
    done_until: str | None = None
    """The whole range has been looked at up to here."""
    is_done: bool
    missing_before: int = 0
    written: int = 0
    still_missing: int = 0
    """Minutes that the exchange does not have either."""
    waits_for: ForeignText | None = None
    """The reason that it did not go on meanwhile."""


class _TimeIsUp(Exception):
    """The caller waits no longer; every step so far is stored."""


def _run(call: Call, asked: Arguments) -> Fetched:
    ends_at, so_far = time.monotonic() + asked.wait_s, list[BackfillReport]()

    def on_step(report: BackfillReport) -> None:
        so_far.append(report)
        _tell(call, asked, report)
        if time.monotonic() > ends_at:
            raise _TimeIsUp

    def pause(error: CandlerayError, pause_s: float) -> None:
        if time.monotonic() + pause_s > ends_at:
            raise error
        call.tell(0, None, f"going on in {pause_s:,.0f} s: {error.message}")
        call.sleep(pause_s)

    times = asked.start, asked.end
    try:
        call.client.backfill(
            asked.market, asked.symbol, *times, on_step=on_step, patience_s=asked.wait_s, pause=pause
        )
    except _TimeIsUp:
        return _fetched(asked, so_far[-1], is_done=False)
    except (ServiceUnavailable, TooManyRequests) as error:
        if not so_far:
            raise
        return _fetched(asked, so_far[-1], is_done=False, waits_for=error.message)
    return _fetched(asked, so_far[-1], is_done=True)


def _tell(call: Call, asked: Arguments, report: BackfillReport) -> None:
    start, until = ms_of(asked.start), to_ms(report.end)
    end = ms_of(asked.end) if asked.end else int(time.time() * 1000)
    words = f"{report.inserted.written:,} minutes written, up to {iso(until)}"
    call.tell((until - start) / 60_000, max(until, end) / 60_000 - start / 60_000, words)


def _fetched(asked: Arguments, report: BackfillReport, *, is_done: bool, waits_for: str | None = None) -> Fetched:
    again = asked.model_dump(exclude_none=True, exclude={"wait_s"})
    return Fetched(
        done_until=iso(to_ms(report.end)),
        is_done=is_done,
        missing_before=report.missing_before,
        written=report.inserted.written,
        still_missing=sum(run.minutes for run in report.absent),
        waits_for=waits_for,
        next=(_EXPLAIN if is_done else NextCall(tool="backfill", arguments=again, why="the rest"),),
    )


_EXPLAIN = NextCall(tool="explain_strategy", why="look at a strategy over these candles")

TOOL = Tool("Fetch candles", Arguments, Fetched, _run, effect=Effect.ADDS, asks_exchanges=True)
