"""Lists of all that the door has, in the protocol's own words: tools, resources, prompts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mcp import MCPError, types

from candleray.agents.conversations import CONVERSATIONS, Conversation, conversation_named
from candleray.agents.documentation import pages, title_of
from candleray.agents.handles import DOCS, INDICATORS, KINDS, STRATEGIES, docs_of
from candleray.agents.refusals import refusal_of
from candleray.agents.schemas import schema_given, schema_taken
from candleray.agents.tool import Effect, Tool
from candleray.agents.toolbox import description_of, toolbox
from candleray.errors import CandlerayError

JSON = "application/json"
MARKDOWN = "text/markdown"
LISTS_HOLD_MS = 3_600_000
"""An hour: these lists change with the build of Candleray alone."""


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


def resource(uri: str, name: str, mime_type: str) -> types.Resource:
    return types.Resource(uri=uri, name=name, mime_type=mime_type)


@cache
def fixed_resources() -> tuple[types.Resource, ...]:
    """The pages of the documentation, the catalogue, and the list of the user's strategies."""
    lists = {kind.template: kind.holds for kind in KINDS}
    catalogue = (resource(INDICATORS, lists[INDICATORS], JSON), resource(STRATEGIES, lists[STRATEGIES], JSON))
    return (*catalogue, *(resource(docs_of(name), title_of(name), MARKDOWN) for name in pages()))


def templates() -> list[types.ResourceTemplate]:
    """The kinds of handles that answers name."""
    return [
        types.ResourceTemplate(uri_template=kind.template, name=kind.holds, mime_type=JSON)
        for kind in KINDS
        if "{" in kind.template
    ]


def contents_of(uri: str, content: bytes) -> types.TextResourceContents:
    mime_type = MARKDOWN if uri.startswith(DOCS) else JSON
    return types.TextResourceContents(uri=uri, text=content.decode(), mime_type=mime_type)


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
        MCPError: there is no such prompt, or a word of it is missing; the payload is its data.
    """
    try:
        turns = conversation_named(name).filled(given)
    except CandlerayError as error:
        raise MCPError(types.INVALID_PARAMS, error.message, refusal_of(error)) from None
    messages = [types.PromptMessage(role=turn.role, content=types.TextContent(text=turn.text)) for turn in turns]
    return types.GetPromptResult(description=CONVERSATIONS[name].title, messages=messages)
