"""Documentation of answers in the OpenAPI document, and answers of arrays."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from candleray.errors import GuardExceeded, NotFound, PayloadTooLarge, Problem, ServiceUnavailable
from candleray.validation import Model
from serve_apps.http.errors import INTERNAL


class ProblemInfo(Model):
    field: str
    """Dotted path into the input; empty for the whole input."""
    code: str
    """Stable name of the kind of problem."""
    message: str


class ErrorInfo(Model):
    code: str
    """Stable name of the kind of error; a program may test it."""
    message: str
    problems: tuple[ProblemInfo, ...]
    """One per field, sorted."""


class ErrorAnswer(Model):
    """Every failure: the same bad request gets the same bytes; what identifies it is in `X-Request-ID`."""

    error: ErrorInfo


_REFUSALS = (
    NotFound("unknown symbol 'BTCUSD' on binance-spot; did you mean 'BTCUSDT'?"),
    GuardExceeded(
        "the request is too large for one synchronous answer: variants 4000000 is over the limit of 1000000",
        [Problem("variants", "over_the_limit", "variants 4000000 is over the limit of 1000000")],
    ),
    PayloadTooLarge("the body is larger than the limit of 16777216 bytes"),
)
_FAILURES = (INTERNAL, ServiceUnavailable("the candle store does not answer"))


def _documented(description: str, errors: tuple[Any, ...]) -> dict[str, Any]:
    examples = {error.code: {"value": error.payload()} for error in errors}
    return {
        "model": ErrorAnswer,
        "description": description,
        "content": {"application/json": {"examples": examples}},
    }


ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": _documented("The request cannot be answered as it is", _REFUSALS),
    "5XX": _documented("The server or a service behind it failed", _FAILURES),
}
"""Errors that any route may answer."""


def example(content: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The documented example of a route's answer."""
    return {status: {"content": {"application/json": {"example": content}}}}


def json_of_arrays(content: dict[str, Any]) -> Response:
    """JSON of models and numpy arrays; NaN, which JSON cannot say, is `null`."""
    return Response(
        to_json(content, inf_nan_mode="null", fallback=lambda array: array.tolist()),
        media_type="application/json",
    )
