"""Save a variant of a request or a job for good, with its search's verdict; or clone a saved strategy with
changes. A saved strategy never changes.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.subjects import Subject, require_one
from candleray.agents.tool import Call, Effect, Tool
from candleray.agents.tools.list_strategies import Saved, saved
from candleray.errors import invalid
from candleray.sdk.client import Client
from candleray.strategies.strategy import Strategy


class Arguments(Subject):
    request_hash: Annotated[str, Field(max_length=64)] | None = None
    """The hash of a backtest's answer: the verdict of that search is kept with the strategy."""
    changes: dict[str, Any] | None = None
    """Parts of the strategy that are replaced in its clone, such as {"risk": {"sl_pct": 2}}."""


class Kept(Answer):
    strategy: Saved
    sentences: tuple[str, ...] = ()
    verdict: str | None = None


def _run(call: Call, asked: Arguments) -> Kept:
    kept = _kept(call.client, asked)
    strategy_id = str(kept.strategy_id)
    return Kept(
        strategy=saved(kept),
        verdict=kept.verdict and kept.verdict.text,
        next=(
            NextCall(tool="report", arguments={"strategy": strategy_id}, why="over the last year of its candles"),
            NextCall(
                tool="control_run",
                arguments={"action": "start", "strategy": strategy_id},
                why="run it live on paper, where the person wants that",
            ),
        ),
    )


def _kept(client: Client, asked: Arguments) -> Strategy:
    require_one(request=asked.request, job=asked.job, strategy=asked.strategy)
    if (asked.strategy is None) != (asked.changes is None):
        raise invalid("changes", "not_a_clone", "changes and strategy belong together: they make a clone")
    if asked.strategy is not None:
        return client.clone_strategy(asked.strategy, asked.changes or {})
    if asked.job is not None:
        return client.save_job_variant(asked.job, asked.variant_index)
    variant = client.explain(asked.request or {}, asked.variant_index).strategy
    return client.save_strategy(variant, request_hash=asked.request_hash)


TOOL = Tool("Save a strategy", Arguments, Kept, _run, effect=Effect.ADDS)
