"""Pruning: limits that end a variant before the end of the bars, so that it never ranks.

The fields of a request are made from `kernels.simulation.pruned.limits`, which declares each limit once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

from pydantic import Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Number
from candleray.validation import Model
from kernels.simulation.pruned.limits import LIMITS, Limit

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
            raise PydanticCustomError("no_window", "a loss window needs trades, days or both")
        return self


class _Pruning(Model):
    """Limits that a variant must keep to; one that does not is counted by its reason and never ranks.

    Judged exactly, bar by bar, on the variants of the answer: with stop levels those under their stops.
    """

    @model_validator(mode="after")
    def _some_number_of_trades(self) -> Self:
        least, most = self.values.get("min_trades"), self.values.get("max_trades")
        if least is not None and most is not None and least > most:
            raise PydanticCustomError(
                "no_number_of_trades",
                "min_trades {least} is above max_trades {most}",
                {"least": least, "most": most},
            )
        return self

    @property
    def values(self) -> dict[str, float | int | None]:
        """The value of each limit that is set, by name; that of a loss window is its trades."""
        fields = {limit.name: self.__dict__[limit.name] for limit in LIMITS}
        return {
            name: value.trades if isinstance(value, LossWindow) else value
            for name, value in fields.items()
            if value is not None
        }

    @property
    def window_days(self) -> float | None:
        """The days of the loss window, where it has some."""
        windows = (value.days for value in self.__dict__.values() if isinstance(value, LossWindow))
        return next(windows, None)


def _field(limit: Limit) -> Any:
    kind: Any = Annotated[Number, Field(ge=limit.lowest, le=limit.highest)]
    if isinstance(limit.unset, int):
        kind = Annotated[int, Field(ge=limit.lowest, le=limit.highest, strict=True)]
    if limit.is_window:
        kind = LossWindow
    return (kind | None, Field(None, description=limit.meaning))


if TYPE_CHECKING:
    Pruning: TypeAlias = _Pruning
else:
    _FIELDS = {limit.name: _field(limit) for limit in LIMITS}
    Pruning = create_model("Pruning", __base__=_Pruning, __doc__=_Pruning.__doc__, **_FIELDS)
