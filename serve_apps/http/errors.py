"""Error answers: one payload for every failure.

The payload depends on the failure alone, so the same bad request gets the same bytes. The request's id is in the
headers and in the log, never in the body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from candleray.errors import (
    Busy,
    CandlerayError,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    RequestTimeout,
    TooManyRequests,
)
from candleray.logs import get_logger
from candleray.validation import invalid_from
from serve_apps.http.route_table import RouteTable

CLIENT_LEFT = 499
"""Status in the log and the metrics of a request whose caller did not wait."""

MAX_PROBLEMS = 100
_MAX_PART = 64

log = get_logger("api")


INTERNAL = CandlerayError("the server failed on this request; its log says why, under this answer's X-Request-ID")


class BodyRefused(HTTPException):
    """A reason to read a body no further; FastAPI lets no other exception through while it reads one."""

    def __init__(self, reason: CandlerayError) -> None:
        super().__init__(reason.status)
        self.reason = reason


def too_large(limit_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is larger than the limit of {limit_bytes} bytes")


def error_response(error: CandlerayError, headers: Mapping[str, str] | None = None) -> Response:
    # Half a surrogate pair is legal in JSON and impossible in UTF-8: it goes back escaped, as it came.
    if isinstance(error, TooManyRequests):
        headers = {**(headers or {}), "Retry-After": str(error.retry_after_s)}
    elif isinstance(error, Busy | RequestTimeout):
        headers = {**(headers or {}), "Retry-After": "1"}
    text = error_payload(error).encode("utf-8", "backslashreplace")
    return Response(text, error.status, headers, "application/json")


def error_payload(error: CandlerayError) -> str:
    """The error that the caller sees; for a bug of ours a general one, while the log gets everything."""
    if error.code == INTERNAL.code and error is not INTERNAL:
        log.error("internal_error", exc_info=error)
        error = INTERNAL
    return json.dumps(error.payload(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def install_error_handlers(app: FastAPI, table: RouteTable) -> None:
    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, CandlerayError)
        return error_response(error)

    async def refuse_values(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_response(_invalid_values(error))

    async def refuse_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _refused_request(request, error, table)

    async def forget(_request: Request, _error: Exception) -> Response:
        return Response(status_code=CLIENT_LEFT)

    app.add_exception_handler(CandlerayError, refuse)
    app.add_exception_handler(RequestValidationError, refuse_values)
    app.add_exception_handler(HTTPException, refuse_request)
    app.add_exception_handler(ClientDisconnect, forget)


def _invalid_values(error: RequestValidationError) -> InvalidInput:
    whole = invalid_from([{**detail, "loc": _place(detail["loc"])} for detail in error.errors()])
    return InvalidInput(whole.message, whole.problems[:MAX_PROBLEMS])


def _place(parts: tuple[Any, ...]) -> tuple[str, ...]:
    """The path into the input. The first part is left out: it names the part of the request."""
    return tuple(str(part)[:_MAX_PART] for part in parts[1:])


def _refused_request(request: Request, error: HTTPException, table: RouteTable) -> Response:
    method, path = request.method, request.url.path
    if error.status_code == 404:
        return error_response(NotFound(f"there is no {path[:200]}; {table.nearest(path)}"))
    if error.status_code == 405:
        allowed = ", ".join(table.methods(path))
        if method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allowed})
        return error_response(
            MethodNotAllowed(f"{path} does not take {method[:20]}; allowed: {allowed}"), {"Allow": allowed}
        )
    if isinstance(error, BodyRefused):
        return error_response(error.reason)
    message = f"the request cannot be read: {error.detail}"
    return error_response(InvalidInput(message, [Problem("", "unreadable", message)]))
