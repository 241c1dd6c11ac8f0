"""Strict JSON bodies: invalid JSON is refused with line and column, before any model sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from candleray.errors import InvalidInput, Problem, UnsupportedMediaType

MAX_KEYS = 100
"""Fields of one object. Each unknown field is answered with its nearest match: a million would take minutes."""

_ENDLESS_NUMBER = re.compile(r"\d{4300}")


class StrictRoute(APIRoute):
    """A route whose JSON body, if it declares one, goes through `parse_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_json(request: Request) -> Response:
            strict = _JsonRequest(request.scope, request.receive)
            await strict.parse()
            return await handle(strict)

        return handle_json


class _JsonRequest(Request):
    _content: Any = None

    async def parse(self) -> None:
        body = await self.body()
        if not body:
            raise _not_json("a JSON body is required", code="missing")
        content_type = self.headers.get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise UnsupportedMediaType(f"send Content-Type: application/json, got {content_type[:60] or 'none'}")
        self._content = parse_json(body)

    async def json(self) -> Any:
        return self._content


def parse_json(body: bytes) -> Any:
    """Parse a body. NaN and Infinity pass, because the model that refuses them can name the field.

    Raises:
        InvalidInput: the body is no JSON; the message names line and column where it can.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object)
    except json.JSONDecodeError as exc:
        reason = exc.msg[:1].lower() + exc.msg[1:]
        raise _not_json(f"the body is not valid JSON: {reason} at line {exc.lineno}, column {exc.colno}") from None
    except UnicodeDecodeError as exc:
        raise _not_json(f"the body is not valid JSON: byte {exc.start} is not UTF-8") from None
    except RecursionError:
        raise _not_json("the body is not valid JSON: it is nested too deeply") from None
    except ValueError:
        # Python refuses to convert an integer of more than 4300 digits.
        at = _ENDLESS_NUMBER.search(body.decode("utf-8-sig"))
        where = f" at character {at.start()}" if at else ""
        raise _not_json(f"the body is not valid JSON: a number without end{where}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(pairs) > MAX_KEYS:
        raise _not_json(f"an object has {len(pairs)} keys, at most {MAX_KEYS} are taken")
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _not_json(f"the key {twice[:60]!r} stands twice in one object", code="repeated_key")
    return content


def _not_json(message: str, code: str = "json_invalid") -> InvalidInput:
    return InvalidInput(message, [Problem("", code, message)])
