"""Pruning: limits that end a variant before the end of the bars, so that it never ranks."""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Number
from candleray.validation import Model

Count: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]


class LossWindow(Model):
    """The longest a variant may go without a new equity high; with both, whichever passes first."""

    trades: Count | None = None
    """Trades that may close since the last high; the last of them may bring the next."""
    days: Annotated[Number, Field(gt=0, le=100_000)] | None = None
    """Days of 24 hours since the bar of the last high closed, or since the start."""

    @model_validator(mode="after")
    def _some_window(self) -> Self:
        if self.trades is None and self.days is None:
            raise PydanticCustomError("no_window", "a loss window is so many trades or so many days")
        return self


class Pruning(Model):
    """Limits that a variant must keep to; one that does not is counted by its reason and never ranks.

    Judged exactly, bar by bar, on the variants of the answer: with stop levels those under their stops.
    """

    max_drawdown_pct: Annotated[Number, Field(ge=0.001, le=100)] | None = None
    """Largest fall of the equity from its peak, at bar closes: the report's Max. Drawdown [%] is no larger."""
    loss_window: LossWindow | None = None
    """No new equity high within so many trades or days."""
    min_trades: Count | None = None
    """Fewest trades; known at the end alone."""
    max_trades: Count | None = None
    """Most trades; one more entry prunes."""
    max_trade_duration_bars: Count | None = None
    """Longest trade in bars, from its entry to its exit."""

    @model_validator(mode="after")
    def _some_number_of_trades(self) -> Self:
        if self.min_trades is not None and self.max_trades is not None and self.min_trades > self.max_trades:
            raise PydanticCustomError(
                "no_number_of_trades",
                "min_trades {least} is above max_trades {most}",
                {"least": self.min_trades, "most": self.max_trades},
            )
        return self

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the limits there are."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)
