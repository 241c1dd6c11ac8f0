"""Lines of stdin that are no message are answered, and hold up nothing."""

from __future__ import annotations

import io
import json
from typing import Any

import anyio
import pytest
from mcp.server.stdio import stdio_server

from candleray.agents.protocol.unread_lines import answering

GOOD = '{"jsonrpc": "2.0", "id": 1, "method": "ping"}'


async def sorted_out(*lines: str) -> tuple[list[Any], list[dict[str, Any]]]:
    """The messages that come through, and what is answered to the rest."""
    stdin, stdout = io.StringIO("".join(f"{line}\n" for line in lines)), io.StringIO()
    async with (
        stdio_server(anyio.wrap_file(stdin), anyio.wrap_file(stdout)) as (incoming, outgoing),  # type: ignore[arg-type]
        answering(incoming, outgoing) as messages,
        outgoing,
    ):
        through = [item async for item in messages]
    return through, [json.loads(line) for line in stdout.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{nope", -32700),
        ("[" * 10_000, -32700),
        (r'{"jsonrpc": "2.0", "id": 1, "method": "\ud800"}', -32700),
        ("null", -32600),
        (f"[{GOOD}]", -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": 7}', -32600),
        ('{"id": 1, "method": "ping"}', -32600),
    ],
)
async def test_a_line_that_is_no_message_is_answered_without_an_id(line: str, code: int):
    through, answered = await sorted_out(line, GOOD)
    assert [item.message.method for item in through] == ["ping"]
    assert [(one["id"], one["error"]["code"]) for one in answered] == [(None, code)]


async def test_an_empty_line_is_passed_over():
    through, answered = await sorted_out("", " ", GOOD)
    assert (len(through), answered) == (1, [])
