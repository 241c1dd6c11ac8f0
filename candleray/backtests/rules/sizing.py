"""Sizing: how much an entry buys, by a model for each mode.

A mode says itself what it is to the account (`kernels/simulation/accounts.py`), so that a new one is a class here
and an entry in `SIZINGS`. An entry spends only of what is available, never of the reserve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias, TypedDict, get_args

from pydantic import Field

from candleray.backtests.axes import Number
from candleray.errors import invalid
from candleray.validation import Model, one_of

Quote: TypeAlias = Annotated[Number, Field(gt=0)]


class AccountFields(TypedDict):
    """A sizing in the terms of an account, as `kernels.simulation.accounts.Rules.of` takes them."""

    budget_quote: float | None
    """Part of the initial cash that the strategy may use; None for all of it."""
    fixed_quote: float | None
    """Notional of every entry; None for all that is available."""
    safe_profit_pct: float
    """Share of each net profit that is locked."""


def account_fields(
    budget_quote: float | None = None, fixed_quote: float | None = None, safe_profit_pct: float = 0.0
) -> AccountFields:
    return AccountFields(budget_quote=budget_quote, fixed_quote=fixed_quote, safe_profit_pct=safe_profit_pct)


class Sizing(Model):
    """The base of all modes; a mode has a field `mode` with its name."""

    def account_fields(self) -> AccountFields:
        """The sizing in the terms of an account; it must be complete (`completed`)."""
        return account_fields()

    def completed(self, init_cash_quote: float) -> Self:
        """The sizing with nothing left out.

        Raises:
            InvalidInput: the budget is more than the initial cash.
        """
        return self


class AllIn(Sizing):
    """Every entry spends everything available."""

    mode: Literal["all_in"] = "all_in"


class FixedQuote(Sizing):
    """Every entry has the same notional, or what is available where that is less."""

    mode: Literal["fixed_quote"]
    quote: Quote
    """Notional of an entry in quote currency, its fee not included."""

    def account_fields(self) -> AccountFields:
        return account_fields(fixed_quote=self.quote)


class StrategyCompound(Sizing):
    """The strategy gets a budget and compounds within it; the rest of the cash lies idle and counts."""

    mode: Literal["strategy_compound"]
    budget_quote: Quote | None = None
    """Its part of the initial cash; all of it where left out."""

    def account_fields(self) -> AccountFields:
        return account_fields(budget_quote=self.budget_quote)

    def completed(self, init_cash_quote: float) -> Self:
        return self.model_copy(update={"budget_quote": _budget(self.budget_quote, init_cash_quote)})


class StrategyCompoundProfitLock(Sizing):
    """The same as `strategy_compound`, and of each trade's net profit a share is locked and never spent again."""

    mode: Literal["strategy_compound_profit_lock"]
    budget_quote: Quote | None = None
    """Its part of the initial cash; all of it where left out."""
    safe_profit_percent: Annotated[Number, Field(ge=0, le=100)]
    """The share of a profit that is locked."""

    def account_fields(self) -> AccountFields:
        return account_fields(budget_quote=self.budget_quote, safe_profit_pct=self.safe_profit_percent)

    def completed(self, init_cash_quote: float) -> Self:
        return self.model_copy(update={"budget_quote": _budget(self.budget_quote, init_cash_quote)})


def _budget(budget_quote: float | None, init_cash_quote: float) -> float:
    budget = init_cash_quote if budget_quote is None else budget_quote
    if budget > init_cash_quote:
        raise invalid(
            "sizing.budget_quote",
            "over_the_cash",
            f"a budget of {budget:.12g} is more than the initial cash of {init_cash_quote:.12g}",
        )
    return budget


SIZINGS: tuple[type[Sizing], ...] = (AllIn, FixedQuote, StrategyCompound, StrategyCompoundProfitLock)

if TYPE_CHECKING:
    AnySizing: TypeAlias = Sizing
else:
    AnySizing = one_of(
        {get_args(sizing.model_fields["mode"].annotation)[0]: sizing for sizing in SIZINGS},
        key="mode",
        noun="a sizing",
        label="mode",
        default="all_in",
    )
"""Any one of `SIZINGS`, told apart by `mode`."""
