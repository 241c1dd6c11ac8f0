"""Say a request or a saved strategy in plain words, and on how many bars of its range each condition is true;
what blocks it where nothing opens.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.schemas import Request
from candleray.agents.subjects import OfStrategy, request_of_strategy, require_one
from candleray.agents.tool import Call, Tool
from candleray.backtests.explanation import Explanation
from candleray.validation import Model


class Arguments(OfStrategy):
    request: Request | None = None
    """A request, in place of `strategy`."""
    variant_index: Annotated[int, Field(ge=0)] = 0
    """The variant of a grid that is looked at."""


class Condition(Model):
    path: str
    words: str
    true_pct: float


class Explained(Answer):
    sentences: tuple[str, ...]
    variants_total: int
    variant: tuple[str, ...] = ()
    """The sentences of the variant that the rest is about."""
    bars: int
    may_open: dict[str, int]
    """Bars that may open a position, by side."""
    conditions: tuple[Condition, ...] = ()
    blockers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _run(call: Call, asked: Arguments) -> Explained:
    require_one(request=asked.request, strategy=asked.strategy)
    request = asked.request or request_of_strategy(call.client, asked)
    told = call.client.explain(request, asked.variant_index)
    return Explained(
        sentences=told.sentences,
        variants_total=told.variants_total,
        variant=told.variant_sentences if told.variants_total > 1 else (),
        bars=told.bars,
        may_open=told.signal_bars,
        conditions=tuple(Condition(path=c.path, words=c.words, true_pct=c.true_pct) for c in told.conditions),
        blockers=tuple(f"{one.path}: {one.message}" for one in told.blockers),
        notes=told.notes,
        next=(_next(told),),
    )


def _next(told: Explanation) -> NextCall:
    if told.blockers:
        return NextCall(tool="explain_strategy", why="loosen the blocking condition and look again")
    return NextCall(tool="preflight", why="its size and time, with the same request")


TOOL = Tool("Explain a strategy", Arguments, Explained, _run)
