"""Search a request in the background, of any size the limits allow, and wait a while for its end. The job goes on
if the connection is lost; a call that is cancelled cancels it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.agents.following import Followed, RowCount, WaitSeconds, followed
from candleray.agents.schemas import Request
from candleray.agents.tool import Call, Effect, Tool
from candleray.validation import Model


class Arguments(Model):
    request: Request
    key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")] | None = None
    """A name of your own: sent again with it, it makes no second job."""
    wait_s: WaitSeconds = 30
    rows: RowCount = 5


def _run(call: Call, asked: Arguments) -> Followed:
    job = call.client.submit(asked.request, key=asked.key)
    return followed(call, job, asked.wait_s, asked.rows, undoes=True)


TOOL = Tool("Search in the background", Arguments, Followed, _run, effect=Effect.ADDS, is_repeatable=False)
