"""Search every variant of a request at once, for what takes seconds: the best variants and the verdict, skill or
luck. The answer is not kept; that it was searched is, and later verdicts count it. Report the verdict with every
return.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.handles import exact_backtest
from candleray.agents.ranked_rows import Row, rows_of
from candleray.agents.schemas import Request
from candleray.agents.tool import Call, Effect, Tool
from candleray.backtests.rank_by import ranking_metric
from candleray.backtests.result import BacktestResult
from candleray.validation import Model


class Arguments(Model):
    request: Request
    rows: Annotated[int, Field(ge=1, le=20)] = 5


class Ranking(Answer):
    title: str
    verdict: str | None = None
    """Is the best more than luck? Left out where the request wants none."""
    luck: tuple[str, ...] = ()
    """The share of luck in the best, where the request asked for histories of chance."""
    best: tuple[Row, ...]
    variants_evaluated: int
    bars: int
    request_hash: str
    """The search's name on record: save_strategy takes it, and keeps the verdict with the strategy."""
    holdout: str | None = None
    """The candles that this search was kept from, where it asked for that."""
    notes: tuple[str, ...] = ()


def _run(call: Call, asked: Arguments) -> Ranking:
    result = call.client.backtest(asked.request)
    return Ranking(
        title=result.headlines(1).title,
        verdict=result.verdict and result.verdict.text,
        luck=result.luck.summary if result.luck else (),
        best=rows_of(result.request, result.top, asked.rows, ranking_metric(result.request.rank_by).name),
        variants_evaluated=result.variants_evaluated,
        bars=result.bars,
        request_hash=result.request_hash,
        holdout=result.holdout and result.holdout.line,
        notes=result.notes,
        exact=exact_backtest(asked.request),
        next=tuple(_next(result)),
    )


def _next(result: BacktestResult) -> list[NextCall]:
    if not result.top:
        return [NextCall(tool="explain_strategy", why="nothing ranks: see what blocks it")]
    best = {"variant_index": result.top[0].variant_index}
    return [
        NextCall(tool="report", arguments=best, why="one variant in full, with the same request"),
        NextCall(tool="robustness", arguments=best, why="how it does where things are otherwise"),
        NextCall(
            tool="save_strategy",
            arguments={**best, "request_hash": result.request_hash},
            why="keep a variant, with the same request",
        ),
    ]


TOOL = Tool("Search at once", Arguments, Ranking, _run, effect=Effect.COUNTS)
