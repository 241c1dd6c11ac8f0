"""Sizing: how much an entry buys, by a model for each mode.

A mode says itself what it is to the account (`kernels/simulation/accounts.py`), and one that measures risk what it
is to the entries (`kernels/simulation/levels/sizes.py`), so that a new one is a class here and an entry in
`SIZINGS`. An entry spends only of what is available, never of the reserve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias, TypedDict, get_args

from pydantic import AfterValidator, Field

from candleray.backtests.axes import Axis, Number, Steps, Values, bounded, levels
from candleray.backtests.rules.risk import LevelBounds
from candleray.errors import invalid
from candleray.validation import Model, one_of

Quote: TypeAlias = Annotated[Number, Field(gt=0)]

MIN_PART_PCT, MAX_PART_PCT = 0.0001, 100.0
RiskAxis: TypeAlias = Annotated[
    # A stop-out that loses exactly everything would leave it to rounding whether the account is ruined.
    Axis, AfterValidator(bounded("a risk of the account", MAX_PART_PCT, "percent", below=True, least=MIN_PART_PCT))
]
TargetAxis: TypeAlias = Annotated[
    Axis, AfterValidator(bounded("a day's movement of the account", MAX_PART_PCT, "percent", least=MIN_PART_PCT))
]
MIN_LEVERAGE, MAX_LEVERAGE = 0.01, 125
MIN_WINDOW, MAX_WINDOW = 2, 500

Measure: TypeAlias = Literal["rules", "loss", "volatility"]
"""The measures of a size: what the rules of the account say, the loss at the stop-loss, a day's volatility."""


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

    measure: ClassVar[Measure] = "rules"
    parts_field: ClassVar[str] = ""
    """The field that may be an axis: the percent of what is available that is lost, or moves; mostly none."""
    needs_stop_loss: ClassVar[bool] = False
    words: ClassVar[str] = ""
    """The sentence that says it; `{parts}` stands for the values of `parts_field`. Most modes are not said."""
    label: ClassVar[str] = ""
    """The part of a strategy's name before the value of `parts_field`."""

    @property
    def axes(self) -> dict[str, Values | Steps]:
        """The field of `parts_field` and its values."""
        return {self.parts_field: levels(getattr(self, self.parts_field))} if self.parts_field else {}

    @property
    def leverage(self) -> float:
        """The notional is at most so many times what is available."""
        return 1.0

    @property
    def history_bars(self) -> int:
        """Bars before a range that sizes on its first bar follow from."""
        return 0

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


class RiskPerTrade(Sizing):
    """Every entry loses the same share of what is available if its stop-loss ends it, costs included."""

    other_words: ClassVar[Mapping[str, str]] = dict.fromkeys(("risk_percent", "risk_per_trade_pct"), "risk_pct")

    mode: Literal["risk_per_trade"]
    risk_pct: RiskAxis
    """The share that is lost, in percent."""
    max_leverage: Annotated[Number, Field(ge=MIN_LEVERAGE, le=MAX_LEVERAGE)] = 1
    """The notional is at most so many times what is available; above 1 the exchange lends the rest, free."""

    measure: ClassVar[Measure] = "loss"
    parts_field: ClassVar[str] = "risk_pct"
    needs_stop_loss: ClassVar[bool] = True
    words: ClassVar[str] = (
        "An entry that its stop-loss ends loses {parts} % of what is available, costs included; "
        "its notional is at most {max_leverage:g} times that."
    )
    label: ClassVar[str] = "risk"

    @property
    def leverage(self) -> float:
        return float(self.max_leverage)


class VolatilityTarget(Sizing):
    """Every entry is as large as lets the account move by a target a day, up to what is available."""

    mode: Literal["volatility_target"]
    target_pct: TargetAxis
    """The standard deviation of a day's return of the account while it holds a position, in percent."""
    window: Annotated[int, Field(ge=MIN_WINDOW, le=MAX_WINDOW, strict=True)] = 100
    """Returns of bars, up to that of the signal, that a day's volatility is measured by."""

    common_names: ClassVar[frozenset[str]] = frozenset({"window"})
    """A window that stands elsewhere is meant for an indicator."""
    measure: ClassVar[Measure] = "volatility"
    parts_field: ClassVar[str] = "target_pct"
    words: ClassVar[str] = (
        "An entry moves what is available by {parts} % a day, by the volatility of the last {window} bars, "
        "as far as it is enough."
    )
    label: ClassVar[str] = "vol"

    @property
    def history_bars(self) -> int:
        return self.window


def _budget(budget_quote: float | None, init_cash_quote: float) -> float:
    budget = init_cash_quote if budget_quote is None else budget_quote
    if budget > init_cash_quote:
        raise invalid(
            "sizing.budget_quote",
            "over_the_cash",
            f"a budget of {budget:.12g} is more than the initial cash of {init_cash_quote:.12g}",
        )
    return budget


SIZINGS: tuple[type[Sizing], ...] = (
    AllIn,
    FixedQuote,
    StrategyCompound,
    StrategyCompoundProfitLock,
    RiskPerTrade,
    VolatilityTarget,
)

PARTS_FIELDS = tuple(sizing.parts_field for sizing in SIZINGS if sizing.parts_field)
"""The fields that may be axes, of all modes."""
PARTS_BOUNDS = {
    "risk_pct": LevelBounds(math.nextafter(MAX_PART_PCT, 0.0), MIN_PART_PCT),
    "target_pct": LevelBounds(MAX_PART_PCT, MIN_PART_PCT),
    "window": LevelBounds(MAX_WINDOW, MIN_WINDOW, is_whole=True),
}
"""The numbers that they and a window may be, for whoever moves them by a step."""

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
