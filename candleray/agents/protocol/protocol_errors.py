"""Errors of the protocol itself, which programs read: calls of tools fail in answers, which assistants read."""

from __future__ import annotations

from mcp import MCPError, types

from candleray.agents.refusals import refusal_of
from candleray.errors import CandlerayError, InvalidInput, NotFound


def protocol_error(error: CandlerayError, remedy: str | None = None) -> MCPError:
    """The error in the protocol's form; the API's payload is its data."""
    is_callers = isinstance(error, InvalidInput | NotFound)
    code = types.INVALID_PARAMS if is_callers else types.INTERNAL_ERROR
    return MCPError(code, error.message, refusal_of(error, remedy))
