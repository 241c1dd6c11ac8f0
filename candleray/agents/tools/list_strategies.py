"""List the user's saved strategies, the newest first, by parts of their name, symbol or indicator."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.handles import strategy_of
from candleray.agents.tool import Call, Tool
from candleray.strategies.strategy import Strategy
from candleray.validation import Model


class Arguments(Model):
    name: Annotated[str, Field(max_length=300)] | None = None
    """A part of the name."""
    symbol: Annotated[str, Field(max_length=32)] | None = None
    indicator: Annotated[str, Field(max_length=64)] | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 10


class Saved(Model):
    strategy_id: str
    name: str
    created_at: str
    cloned_from: str | None = None
    exact: str


class Strategies(Answer):
    strategies: tuple[Saved, ...]


def saved(strategy: Strategy) -> Saved:
    return Saved(
        strategy_id=str(strategy.strategy_id),
        name=strategy.name,
        created_at=f"{strategy.created_at:%Y-%m-%dT%H:%M:%SZ}",
        cloned_from=strategy.parent_id and str(strategy.parent_id),
        exact=strategy_of(strategy.strategy_id),
    )


def _run(call: Call, asked: Arguments) -> Strategies:
    found = call.client.strategies(
        symbol=asked.symbol, indicator=asked.indicator, name=asked.name, limit=asked.limit
    )
    next_call = NextCall(tool="report", why="a strategy over the last year of its candles")
    return Strategies(strategies=tuple(map(saved, found)), next=(next_call,) if found else ())


TOOL = Tool("List saved strategies", Arguments, Strategies, _run)
