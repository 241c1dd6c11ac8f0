"""The request of a portfolio: its members, their shares of one account, and its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Number
from candleray.backtests.request import AllowGaps, HeldOverGaps, OverGaps
from candleray.strategies.strategy import StrategyDraft
from candleray.timeframes import TimeRange
from candleray.validation import Model

MAX_MEMBERS = 500
_ROUNDING = 1e-9


class MemberStrategy(StrategyDraft):
    """The strategy of a member that is not saved."""


class PortfolioMember(Model):
    """One strategy of a portfolio: a saved one by its id, or one that is written out."""

    strategy_id: UUID | None = None
    strategy: MemberStrategy | None = None
    """A strategy: written by hand, or the `strategy` of a backtest's variant as it came."""
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    """Its name in the answer; the saved strategy's, or its instrument and timeframe, where left out."""

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.strategy_id is None) == (self.strategy is None):
            raise PydanticCustomError(
                "not_one_strategy",
                "a member is either a saved strategy, strategy_id, or one written out, strategy",
            )
        return self


class AllocationMode(StrEnum):
    EQUAL = "equal"
    WEIGHTS = "weights"
    INVERSE_VOLATILITY = "inverse_volatility"


_OF_ONE_MODE = {"weights": AllocationMode.WEIGHTS, "window_days": AllocationMode.INVERSE_VOLATILITY}


class Allocation(Model):
    """The share of the account that each member has."""

    mode: AllocationMode = AllocationMode.EQUAL
    weights: Annotated[tuple[Annotated[Number, Field(ge=0, le=1)], ...], Field(max_length=MAX_MEMBERS)] | None = (
        None
    )
    """One for each member, in their order, for `weights`: together at most 1; the rest stays idle."""
    window_days: Annotated[int, Field(ge=2, le=3650, strict=True)] | None = None
    """Days before each rebalance that `inverse_volatility` looks at; 30 where left out."""

    @model_validator(mode="after")
    def _belongs_to_the_mode(self) -> Self:
        for field, mode in (
            ("weights", AllocationMode.WEIGHTS),
            ("window_days", AllocationMode.INVERSE_VOLATILITY),
        ):
            if getattr(self, field) is not None and self.mode is not mode:
                words = {"field": field, "mode": mode.value, "got": self.mode.value}
                text = "{field} belongs to the mode {mode}, not to {got}: change the mode, or leave it out"
                raise PydanticCustomError("of_another_mode", text, words)
        if self.mode is AllocationMode.WEIGHTS:
            _check_weights(self.weights)
        return self

    @property
    def window(self) -> int:
        return 30 if self.window_days is None else self.window_days


def _check_weights(weights: Sequence[float] | None) -> None:
    if weights is None:
        raise PydanticCustomError("no_weights", "the mode weights needs weights, one for each member")
    total = math.fsum(weights)
    if total > 1.0 + _ROUNDING:
        text = "the weights sum to {total}, which is more than 1: make them smaller, the rest stays idle"
        raise PydanticCustomError("over_the_whole", text, {"total": f"{total:.12g}"})


def _of_a_mode(value: Any) -> Any:
    return {"mode": value} if isinstance(value, str) else value


class Rebalance(StrEnum):
    NEVER = "never"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


Multiple = Annotated[Number, Field(gt=0, le=100)]
Positions = Annotated[int, Field(ge=1, le=MAX_MEMBERS, strict=True)]
LossPct = Annotated[Number, Field(gt=0, lt=100)]


class PortfolioLimits(Model):
    """Limits that refuse or shrink entries, or halt trading; there is none where left out."""

    max_gross_exposure: Multiple | None = None
    """Values of all positions together, as a multiple of the equity."""
    max_net_exposure: Multiple | None = None
    """Longs less shorts, either way, as a multiple of the equity."""
    max_positions: Positions | None = None
    """Positions that are open at once."""
    max_per_instrument: Positions | None = None
    """Positions that are open at once in one instrument."""
    daily_loss_limit_pct: LossPct | None = None
    """Loss of a UTC day, in percent, at which no more entries are taken until the next."""
    max_drawdown_pct: LossPct | None = None
    """Fall from the highest equity, in percent, at which everything is closed and trading halts for good."""


class MembersOverRange(Model):
    """Several strategies over one range."""

    members: Annotated[tuple[PortfolioMember, ...], Field(min_length=1)]
    time_range: TimeRange
    allow_gaps: AllowGaps = False
    over_gaps: HeldOverGaps = OverGaps.CLOSE

    @model_validator(mode="before")
    @classmethod
    def _few_enough(cls, content: Any) -> Any:
        # Before any member is looked at: a million wrong ones would take minutes to put into words.
        members = content.get("members") if isinstance(content, dict) else None
        if isinstance(members, list | tuple) and len(members) > MAX_MEMBERS:
            text = "{count} members, at most {limit}: leave some out, or make two portfolios"
            raise PydanticCustomError("too_many_members", text, {"count": len(members), "limit": MAX_MEMBERS})
        return content


class PortfolioRequest(MembersOverRange):
    """Several strategies over one account."""

    init_cash_quote: Annotated[Number, Field(gt=0)] | None = None
    """Initial cash in quote currency; the configuration's default where left out."""
    allocation: Annotated[Allocation, BeforeValidator(_of_a_mode)] = Allocation.model_construct()
    rebalance: Rebalance = Rebalance.NEVER
    limits: PortfolioLimits = PortfolioLimits.model_construct()

    @model_validator(mode="after")
    def _a_weight_each(self) -> Self:
        weights = self.allocation.weights
        if weights is not None and len(weights) != len(self.members):
            text = "{weights} weights for {members} members: give one for each, in their order"
            raise PydanticCustomError(
                "not_a_weight_each", text, {"weights": len(weights), "members": len(self.members)}
            )
        return self


class SuggestionRequest(MembersOverRange):
    """Strategies of which some are to be chosen for a portfolio."""

    choose: Annotated[int, Field(ge=2, le=20, strict=True)] = 5
    """Number of members that are chosen."""
    max_correlation: Annotated[Number, Field(ge=-1, le=1)] = 0.5
    """The highest correlation of daily returns that two of them may have."""
