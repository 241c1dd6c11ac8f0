"""Lists of what the door has for everybody, in the protocol's own words: tools and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, TypedDict

from mcp import types

from candleray.agents.conversations import CONVERSATIONS, Conversation, conversation_named
from candleray.agents.protocol.protocol_errors import protocol_error
from candleray.agents.schemas import schema_given, schema_taken
from candleray.agents.tool import Effect, Tool
from candleray.agents.toolbox import description_of, tool_named, toolbox
from candleray.errors import CandlerayError, invalid


class Keeping(TypedDict):
    """Words of how long, and for whom, a program may keep an answer."""

    ttl_ms: int
    cache_scope: Literal["public", "private"]


FOR_ALL: Keeping = {"ttl_ms": 3_600_000, "cache_scope": "public"}
"""An hour: lists that are everybody's change with the build of Candleray alone."""


@cache
def described_tools() -> tuple[types.Tool, ...]:
    """Every tool, as an assistant reads of it."""
    return tuple(_described(name, tool) for name, tool in toolbox().items())


def _described(name: str, tool: Tool) -> types.Tool:
    return types.Tool(
        name=name,
        title=tool.title,
        description=description_of(name),
        input_schema=schema_taken(tool.takes),
        output_schema=schema_given(tool.gives),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.effect is Effect.READS,
            destructive_hint=tool.effect is Effect.ENDS,
            idempotent_hint=tool.is_repeatable,
            open_world_hint=tool.asks_exchanges,
        ),
    )


def require_known(name: str) -> None:
    """
    Raises:
        MCPError: there is no such tool.
    """
    try:
        tool_named(name)
    except CandlerayError as error:
        raise protocol_error(error) from None


def require_one_page(params: types.PaginatedRequestParams | None) -> None:
    """
    Raises:
        MCPError: another page is asked for than the first, which is the only one.
    """
    if params is not None and params.cursor is not None:
        raise protocol_error(invalid("cursor", "no_such_page", "this list has one page, which needs no cursor"))


def prompts() -> list[types.Prompt]:
    return [_prompt(name, conversation) for name, conversation in CONVERSATIONS.items()]


def _prompt(name: str, conversation: Conversation) -> types.Prompt:
    taken = [
        types.PromptArgument(name=word, description=meaning, required=True)
        for word, meaning in conversation.takes.items()
    ]
    return types.Prompt(name=name, title=conversation.title, description=conversation.title, arguments=taken)


def prompt_of(name: str, given: Mapping[str, str]) -> types.GetPromptResult:
    """
    Raises:
        MCPError: there is no such prompt, or a word of it is missing.
    """
    try:
        turns = conversation_named(name).filled(given)
    except CandlerayError as error:
        raise protocol_error(error) from None
    messages = [types.PromptMessage(role=turn.role, content=types.TextContent(text=turn.text)) for turn in turns]
    return types.GetPromptResult(description=CONVERSATIONS[name].title, messages=messages)
