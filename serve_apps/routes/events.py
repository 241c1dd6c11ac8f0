"""Everything that a user's runs say, as one stream of server-sent events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import ServerSentEvent
from pydantic import Field

from candleray.errors import CandlerayError, invalid
from candleray.live.stores.event_store import StrategyEvents
from candleray.validation import Model
from serve_apps.backend import Backend, InBackend
from serve_apps.event_watch import Watched
from serve_apps.examples import live as examples
from serve_apps.http import event_streams
from serve_apps.http.callers import InUser
from serve_apps.http.errors import error_payload
from serve_apps.http.event_streams import EventStream, SameCaller
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.slots import slot

router = APIRouter(tags=["runs"], route_class=StrictRoute)

BATCH = 500
"""Events that a stream holds at once, however slowly they are read."""

_LAST_NUMBER = 2**63 - 1

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{1,18}$",
        description="the `id` that was read last, as browsers send it after a cut; it comes before `after`",
    ),
]


class StreamQuery(Model):
    after: int | None = Field(
        None,
        ge=0,
        le=_LAST_NUMBER,
        description="begin behind this event; by default with what comes",
    )
    standings: bool = Field(True, description="tell how the runs stand, too, about every ten seconds")
    for_s: float | None = Field(
        None,
        ge=0,
        le=86_400,
        description="end after so many seconds: 0 tells what there is; by default never",
    )


async def _first_number(
    query: Annotated[StreamQuery, Query()], user: InUser, backend: InBackend, last_event_id: LastEventId = None
) -> int:
    """The number behind which the stream begins; what is wrong with it is answered before any event is."""
    last = await StrategyEvents(await backend.postgres()).last_number(user.user_id)
    after = query.after if last_event_id is None else int(last_event_id)
    if after is not None and after > last:
        message = f"after: {after} is beyond your last event, {last}: leave it out to begin with what comes"
        raise invalid("after", "beyond_the_last", message)
    return last if after is None else after


@router.get(
    "/events",
    response_class=EventStream,
    responses={
        200: {
            "description": "`begin`, then `strategy_event`s and `standings` of runs, each as JSON",
            "content": {"text/event-stream": {"example": examples.EVENT_STREAM}},
        }
    },
)
@slot("stream")
async def watch_events(
    request: Request,
    query: Annotated[StreamQuery, Query()],
    after: Annotated[int, Depends(_first_number)],
    backend: InBackend,
    user: InUser,
) -> AsyncIterator[ServerSentEvent]:
    """All that your runs say, as server-sent events: in order, each once, and none left out after a cut.

    The `id` of an event is its number: sent back as `Last-Event-ID`, or as `after`, the stream goes on behind it.
    `standings` are of some of your runs, the newest of each counts. A stream whose token is revoked ends within
    seconds, with an `error` event.
    """
    caller, until = SameCaller(request, backend), None if query.for_s is None else time.monotonic() + query.for_s
    number = after
    try:
        yield ServerSentEvent(event="begin", data={"after": number}, id=str(number))
        with backend.event_watch.watching(user.user_id, number) as watched:
            told = _told(backend, user.user_id, watched, number, until, query.standings)
            async with aclosing(told):
                async for event in told:
                    await caller.require()
                    if event is not None:
                        number = int(event.id or number)
                        yield event
        yield ServerSentEvent(event="end", data={"after": number})
    except CandlerayError as error:
        yield ServerSentEvent(event="error", raw_data=error_payload(error))


async def _told(
    backend: Backend, user_id: UUID, watched: Watched, number: int, until: float | None, standings: bool
) -> AsyncGenerator[ServerSentEvent | None, None]:
    """Yield what is new, and nothing now and then."""
    events = StrategyEvents(await backend.postgres())
    seen, stood, may_be_new = watched.changes, "0-0", True
    while True:
        batch = await events.after(user_id, number, BATCH) if may_be_new else []
        for event in batch:
            number = event.number
            yield ServerSentEvent(event="strategy_event", raw_data=event.model_dump_json(), id=str(number))
        for entry in watched.standings_after(stood) if standings else ():
            stood = entry.entry_id
            yield ServerSentEvent(event="standings", raw_data=entry.fields["standings"])
        if len(batch) == BATCH:
            continue
        left_s = event_streams.ASK_AGAIN_S if until is None else until - time.monotonic()
        if left_s <= 0:
            return
        before, seen = seen, await watched.change(seen, min(left_s, event_streams.ASK_AGAIN_S))
        may_be_new = seen != before
        yield None
