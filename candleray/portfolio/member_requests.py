"""The strategies of a portfolio's members as requests over its range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from candleray.backtests.request import BacktestRequest
from candleray.errors import InvalidInput, Problem
from candleray.portfolio.portfolio_request import MembersOverRange, PortfolioMember
from candleray.strategies.strategy import Strategy, StrategySpec, request_of


def named_requests(
    request: MembersOverRange, saved: Mapping[UUID, Strategy]
) -> Iterator[tuple[str, BacktestRequest]]:
    """Yield the name of each member, and its backtest over the portfolio's range.

    Args:
        saved: the strategies that members name by their ids.

    Raises:
        InvalidInput: a member names a strategy that is not among them.
    """
    _require_known(request, saved)
    own = {"allow_gaps": request.allow_gaps, "over_gaps": request.over_gaps, "top_k": 1}
    for member in request.members:
        yield _name_of(member, saved), request_of(_spec_of(member, saved), request.time_range, own)


def _require_known(request: MembersOverRange, saved: Mapping[UUID, Strategy]) -> None:
    problems = [
        Problem(
            f"members.{at}.strategy_id",
            "not_found",
            f"member {at}: there is no strategy {member.strategy_id}; candleray strategy list shows yours",
        )
        for at, member in enumerate(request.members)
        if member.strategy_id is not None and member.strategy_id not in saved
    ]
    if problems:
        raise InvalidInput(problems[0].message, problems)


def _spec_of(member: PortfolioMember, saved: Mapping[UUID, Strategy]) -> StrategySpec:
    if member.strategy is not None:
        return member.strategy
    assert member.strategy_id is not None
    return saved[member.strategy_id].spec


def _name_of(member: PortfolioMember, saved: Mapping[UUID, Strategy]) -> str:
    if member.name is not None:
        return member.name
    if member.strategy_id is not None:
        return saved[member.strategy_id].name
    spec = _spec_of(member, saved)
    ideas = "+".join(one.id for one in spec.indicators) or "signals"
    return f"{spec.instrument.symbol} {spec.timeframe} {ideas}"
