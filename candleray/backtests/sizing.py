"""How much an entry buys (R4.8): four modes, told apart by `mode`.

The account has three numbers: the strategy's equity, what of it is locked in `safe`, and what is available, the
difference. An entry spends of what is available only.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Number
from candleray.errors import invalid, nearest
from candleray.validation import Model

Quote: TypeAlias = Annotated[Number, Field(gt=0)]


class AllIn(Model):
    """Every entry spends everything available."""

    mode: Literal["all_in"] = "all_in"


class FixedQuote(Model):
    """Every entry has the same notional, or what is available where that is less."""

    mode: Literal["fixed_quote"]
    quote: Quote
    """Notional of an entry in quote currency, its fee not included."""


class StrategyCompound(Model):
    """The strategy gets a budget and compounds within it; the rest of the cash lies idle and counts."""

    mode: Literal["strategy_compound"]
    budget_quote: Quote | None = None
    """Its part of the initial cash; all of it where left out."""


class StrategyCompoundProfitLock(Model):
    """As `strategy_compound`, and of each trade's net profit a share is locked and never spent again."""

    mode: Literal["strategy_compound_profit_lock"]
    budget_quote: Quote | None = None
    """Its part of the initial cash; all of it where left out."""
    safe_profit_percent: Annotated[Number, Field(ge=0, le=100)]
    """The share of a profit that is locked."""


_ARMS: dict[str, type[Model]] = {
    "all_in": AllIn,
    "fixed_quote": FixedQuote,
    "strategy_compound": StrategyCompound,
    "strategy_compound_profit_lock": StrategyCompoundProfitLock,
}


def _mode(value: Any) -> Any:
    return value.get("mode", "all_in") if isinstance(value, dict) else getattr(value, "mode", None)


def _known(value: Any) -> Any:
    mode = _mode(value)
    if mode is None:
        raise PydanticCustomError("no_sizing", "an object with the mode of a sizing is needed")
    if not isinstance(mode, str) or mode not in _ARMS:
        raise PydanticCustomError(
            "unknown_sizing",
            "unknown mode {mode}; {hint}",
            {"mode": repr(str(mode)[:40]), "hint": nearest(str(mode), list(_ARMS))},
        )
    return value


Sizing: TypeAlias = Annotated[
    Annotated[AllIn, Tag("<all_in>")]
    | Annotated[FixedQuote, Tag("<fixed_quote>")]
    | Annotated[StrategyCompound, Tag("<strategy_compound>")]
    | Annotated[StrategyCompoundProfitLock, Tag("<strategy_compound_profit_lock>")],
    Discriminator(lambda value: f"<{_mode(value)}>"),
    BeforeValidator(_known),
]


def with_budget(sizing: Sizing, init_cash_quote: float) -> Sizing:
    """The sizing with its budget filled in.

    Raises:
        InvalidInput: the budget is more than the initial cash.
    """
    if not isinstance(sizing, StrategyCompound | StrategyCompoundProfitLock):
        return sizing
    budget = init_cash_quote if sizing.budget_quote is None else sizing.budget_quote
    if budget > init_cash_quote:
        raise invalid(
            "sizing.budget_quote",
            "over_the_cash",
            f"a budget of {budget:.12g} is more than the initial cash of {init_cash_quote:.12g}",
        )
    return sizing.model_copy(update={"budget_quote": budget})
