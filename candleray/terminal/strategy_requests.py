"""Requests about one strategy, as commands take them: a file, stdin, or a saved strategy over a range."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from candleray.errors import invalid
from candleray.terminal.options import read_request

if TYPE_CHECKING:
    from candleray.sdk.client import Client

RequestOrStrategy: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="FILE|-|STRATEGY",
        help="The request as JSON, - reads it from stdin; or a saved strategy by its name or id.",
    ),
]
VariantNumber: TypeAlias = Annotated[
    int, typer.Option("--variant", min=0, help="The variant that is looked at, by its number.")
]
RangeStart: TypeAlias = Annotated[
    str | None,
    typer.Option("--start", metavar="TIME", help="Of a saved strategy: look at the range from here on."),
]
RangeEnd: TypeAlias = Annotated[str | None, typer.Option("--end", metavar="TIME", help="The same, up to here.")]


def is_file(request: str) -> bool:
    """Tell a file from a strategy: by what no name has, or because it is there."""
    return request != "-" and ("/" in request or request.endswith(".json") or Path(request).exists())


def request_content(client: Client, request: str, start: str | None, end: str | None) -> bytes | Mapping[str, Any]:
    """Return the request of a file or stdin, or one for a saved strategy.

    Raises:
        InvalidInput: a range beside that of the request.
        NotFound: there is no such strategy, or it has no candles.
    """
    if request != "-" and not is_file(request):
        from candleray.sdk.saved_requests import request_of_saved

        return request_of_saved(client.strategy(request), client.coverage, start, end)
    if start is not None or end is not None:
        raise invalid(
            "--start", "two_ranges", "the request has its time_range: --start and --end are of a strategy"
        )
    return read_request(request)
