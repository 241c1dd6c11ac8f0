"""Save a variant of a request or a job for good, with its search's verdict; or clone a saved strategy with
changes. A saved strategy never changes.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.subjects import Subject, require_one, variant_of
from candleray.agents.tool import Call, Effect, Tool
from candleray.agents.tools.list_strategies import Saved, saved
from candleray.backtests.sentences import sentences
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
    notes: tuple[str, ...] = ()


_NO_VERDICT = (
    "no verdict is kept with it: that takes the request_hash of the search's answer, or saving it from its job"
)


def _run(call: Call, asked: Arguments) -> Kept:
    kept = _kept(call.client, asked)
    strategy_id = str(kept.strategy_id)
    return Kept(
        strategy=saved(kept),
        sentences=sentences(kept.spec),
        verdict=kept.verdict and kept.verdict.text,
        notes=(_NO_VERDICT,) if asked.strategy is None and kept.verdict is None else (),
        next=(
            NextCall(
                tool="report",
                arguments={"strategy": strategy_id},
                why="over the last year of its candles, or give start and end",
            ),
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
    request = asked.request or {}
    variant_index = variant_of(client, asked, request)
    if asked.job is not None:
        return client.save_job_variant(asked.job, variant_index)
    variant = client.explain(request, variant_index).strategy
    return client.save_strategy(variant, request_hash=asked.request_hash)


TOOL = Tool("Save a strategy", Arguments, Kept, _run, effect=Effect.ADDS)
