"""Resources as the protocol lists them: pages of the documentation, the catalogue, a user's strategies."""

from __future__ import annotations

from functools import cache

from mcp import types

from candleray.agents.documentation import pages, summary_of, title_of
from candleray.agents.handles import DOCS, INDICATORS, KINDS, STRATEGIES, Exact, docs_of, strategy_of
from candleray.agents.protocol.listings import FOR_ALL, Keeping
from candleray.backtests.sentences import sentences
from candleray.strategies.strategy import Strategy, StrategyPage

_JSON = "application/json"
_MARKDOWN = "text/markdown"
_ASKED_EVERY_TIME: Keeping = {"ttl_ms": 0, "cache_scope": "private"}


def resources_of(saved: StrategyPage, *, is_first: bool) -> types.ListResourcesResult:
    """A page of the list: what everybody has stands before the first of the user's strategies."""
    own = map(_strategy, saved.strategies)
    listed = [*_fixed(), *own] if is_first else [*own]
    return types.ListResourcesResult(resources=listed, next_cursor=saved.next_cursor, **_ASKED_EVERY_TIME)


@cache
def _fixed() -> tuple[types.Resource, ...]:
    lists = (_list(kind) for kind in KINDS if kind.template in (INDICATORS, STRATEGIES))
    return (*lists, *map(_page, pages()))


def _list(kind: Exact) -> types.Resource:
    return types.Resource(
        uri=kind.template, name=kind.name, title=kind.name, description=kind.holds, mime_type=_JSON
    )


def _page(name: str) -> types.Resource:
    return types.Resource(
        uri=docs_of(name),
        name=name,
        title=title_of(name),
        description=summary_of(name),
        mime_type=_MARKDOWN,
        size=pages()[name].stat().st_size,
    )


def _strategy(strategy: Strategy) -> types.Resource:
    return types.Resource(
        uri=strategy_of(strategy.strategy_id),
        name=strategy.name,
        title=strategy.name,
        description=f"a saved strategy: {sentences(strategy.spec)[0]}",
        mime_type=_JSON,
    )


def templates() -> list[types.ResourceTemplate]:
    """The kinds of handles that answers name."""
    return [
        types.ResourceTemplate(
            uri_template=kind.template, name=kind.name, title=kind.name, description=kind.holds, mime_type=_JSON
        )
        for kind in KINDS
        if "{" in kind.template
    ]


def contents_of(uri: str, content: bytes) -> types.ReadResourceResult:
    """Contents with how long they hold: a page as long as this build, all else only now."""
    is_page = uri.startswith(DOCS)
    text = types.TextResourceContents(uri=uri, text=content.decode(), mime_type=_MARKDOWN if is_page else _JSON)
    return types.ReadResourceResult(contents=[text], **(FOR_ALL if is_page else _ASKED_EVERY_TIME))
