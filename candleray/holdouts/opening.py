"""The one look at sealed candles: the chosen strategies over them, kept for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.errors import invalid
from candleray.holdouts.holdout import Holdout, HoldoutResult
from candleray.holdouts.store import Holdouts
from candleray.strategies.store import Strategies
from candleray.strategies.strategy import Strategy, request_of
from candleray.timeframes import TimeRange
from candleray.trials.counting import among

Run = Callable[[BacktestRequest], Awaitable[BacktestResult]]


async def opened(
    holdouts: Holdouts, strategies: Strategies, run: Run, user_id: UUID, holdout_id: UUID, chosen: Sequence[UUID]
) -> Holdout:
    """Run the chosen strategies over sealed candles, keep what they did, and break the seal.

    The choice is kept before anything is run: whoever is killed on the way may ask again, for the same strategies.

    Raises:
        NotFound: this user has no such holdout, or no such strategy.
        Conflict: it was opened, or others were chosen.
        InvalidInput: a strategy trades something else, or is named twice.
    """
    holdout = await holdouts.get(user_id, holdout_id)
    found = [await strategies.get(user_id, one) for one in chosen]
    _require_fitting(holdout, found)
    await holdouts.choose(user_id, holdout_id, chosen)
    results = [await _result(one, holdout.time_range, run, len(found)) for one in found]
    return await holdouts.open(user_id, holdout_id, results)


def _require_fitting(holdout: Holdout, chosen: Sequence[Strategy]) -> None:
    symbol = holdout.instrument.symbol
    for at, one in enumerate(chosen):
        if one.spec.instrument.symbol != symbol:
            message = f"{one.name} trades {one.spec.instrument.symbol}, the holdout is of {symbol}"
            raise invalid(f"strategies.{at}", "another_symbol", message)
        if any(one.strategy_id == other.strategy_id for other in chosen[:at]):
            raise invalid(f"strategies.{at}", "twice", f"{one.name} is named twice")


async def _result(strategy: Strategy, span: TimeRange, run: Run, chosen: int) -> HoldoutResult:
    answer = await run(request_of(strategy.spec, span, {"top_k": 1, "allow_gaps": True}))
    best = answer.top[0]
    luck_p = None if best.trust is None else best.trust.luck_p
    return HoldoutResult(
        strategy_id=strategy.strategy_id,
        name=strategy.name,
        total_return_pct=best.total_return_pct,
        benchmark_pct=None if answer.verdict is None else answer.verdict.benchmark_pct,
        luck_p=luck_p,
        luck_p_among=None if luck_p is None else among(luck_p, 1, chosen - 1),
        metrics=dict(best.metrics),
        notes=answer.notes,
    )
