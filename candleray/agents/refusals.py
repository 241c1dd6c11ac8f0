"""Errors as an assistant gets them: the API's payload, and what it can do about it."""

from __future__ import annotations

from typing import Any

from candleray.agents.answers import fitted
from candleray.agents.commands_as_calls import as_calls, calls_named
from candleray.agents.foreign_text import marked
from candleray.errors import (
    CandlerayError,
    Conflict,
    ExchangeError,
    Forbidden,
    GapsInRange,
    GuardExceeded,
    InvalidInput,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
)

_REMEDIES: tuple[tuple[type[CandlerayError], str], ...] = (
    (GuardExceeded, "preflight names each limit: narrow the axes, or send the request with submit_job"),
    (GapsInRange, "call backfill for the missing minutes, choose a range without them, or say allow_gaps"),
    (InvalidInput, "mend the named fields and call again"),
    (NotFound, "find_instruments, find_indicators, list_strategies and run_status say what there is"),
    (Conflict, "run_status or follow_job says how it stands now"),
    (Unauthenticated, "ask the person for a token: `candleray tokens create NAME --scope read`"),
    (Forbidden, "ask the person: only they can make a token that may do this"),
    (TooManyRequests, "wait as long as the message says, then call again"),
    (ExchangeError, "wait a minute, then call again"),
    (ServiceUnavailable, "wait some seconds, then call again; tell the person if it stays so"),
)
_OTHERWISE = "tell the person: this is a mistake of the instance's"


def refusal_of(error: CandlerayError, remedy: str | None = None) -> dict[str, Any]:
    """The payload of the API with the remedy beside it; an exchange's own words are marked as data."""
    payload = error.payload()
    told = payload["error"]
    if isinstance(error, ExchangeError):
        told["message"] = marked(error.message)
    calls = calls_named(told["message"])
    for said in (told, *told["problems"]):
        said["message"] = as_calls(said["message"])
    more = {"next": [call.model_dump(mode="json") for call in calls]} if calls else {}
    return fitted({**payload, "remedy": remedy or remedy_of(error), **more})


def remedy_of(error: CandlerayError) -> str:
    return next((remedy for kind, remedy in _REMEDIES if isinstance(error, kind)), _OTHERWISE)
