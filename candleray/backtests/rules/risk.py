"""The levels that end a position before its signal does; each may be an axis of a search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import AnyAxis, Axis, Steps, Values, bounded, levels
from candleray.validation import Model

MAX_LEVEL_PCT = 1000.0
MAX_LEVEL_ATR = 1000.0
MAX_HELD_BARS = 10_000_000
USUAL_ATR_WINDOW, MIN_ATR_WINDOW, MAX_ATR_WINDOW = 14, 2, 500
ATR_WINDOWS_BEFORE = 20
"""Windows of history that an average true range is computed over before a range: what came earlier is 2e-9 of it.
It is a number of the strategy's own, so that no setting changes a level."""


def _whole(axis: AnyAxis) -> AnyAxis:
    sequence = levels(axis)
    ends = (axis.start, axis.step) if isinstance(axis, Steps) else map(sequence.at, range(sequence.count))
    for value in ends:
        if value != round(value):
            raise PydanticCustomError(
                "not_whole", "a time stop counts whole bars, got {value}", {"value": f"{value:g}"}
            )
    return axis


PercentAxis: TypeAlias = Annotated[Axis, AfterValidator(bounded("a level", MAX_LEVEL_PCT, "percent"))]
RangeAxis: TypeAlias = Annotated[Axis, AfterValidator(bounded("a level", MAX_LEVEL_ATR, "average true ranges"))]
TrailAxis: TypeAlias = Annotated[Axis, AfterValidator(bounded("a trailing stop", 100.0, "percent", below=True))]
BarsAxis: TypeAlias = Annotated[
    Axis,
    AfterValidator(bounded("a time stop", float(MAX_HELD_BARS), "bars")),
    AfterValidator(_whole),
]


def _is_none(value: Any) -> bool:
    return value is None


def _is_usual_window(window: int) -> bool:
    return window == USUAL_ATR_WINDOW


class Risk(Model):
    """The levels that end a position before its signal does; whichever is reached first.

    A level of 100 % or more below the fill, of a long's stop-loss or a short's take-profit, is never reached.
    """

    other_words: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("stop_loss", "stop_loss_pct", "stoploss", "sl"), "sl_pct"),
        **dict.fromkeys(("take_profit", "take_profit_pct", "takeprofit", "tp"), "tp_pct"),
        **dict.fromkeys(("trailing_stop", "trailing_stop_pct", "trailing", "trail", "tsl"), "trail_pct"),
        **dict.fromkeys(("time_stop", "max_hold", "max_holding_bars", "bars"), "max_bars"),
        **dict.fromkeys(("stop_loss_atr", "atr_stop"), "sl_atr"),
        **dict.fromkeys(("take_profit_atr", "atr_target"), "tp_atr"),
    }

    sl_pct: PercentAxis | None = None
    """Loss in percent of the fill at which the position ends; none where left out."""
    tp_pct: PercentAxis | None = None
    """Gain in percent of the fill at which the position ends; none where left out."""
    sl_atr: Annotated[RangeAxis | None, Field(exclude_if=_is_none)] = None
    """Loss in average true ranges of the bar of the signal at which the position ends."""
    tp_atr: Annotated[RangeAxis | None, Field(exclude_if=_is_none)] = None
    """Gain in average true ranges of the bar of the signal at which the position ends."""
    trail_pct: Annotated[TrailAxis | None, Field(exclude_if=_is_none)] = None
    """Fall in percent of the best price since the fill at which the position ends: a trailing stop."""
    max_bars: Annotated[BarsAxis | None, Field(exclude_if=_is_none)] = None
    """Bars after that of the signal at whose close the position ends: a time stop."""
    atr_window: Annotated[
        int, Field(ge=MIN_ATR_WINDOW, le=MAX_ATR_WINDOW, strict=True, exclude_if=_is_usual_window)
    ] = USUAL_ATR_WINDOW
    """Bars of Wilder's average of true ranges, of `sl_atr` and `tp_atr`."""

    @property
    def axes(self) -> dict[str, Values | Steps]:
        """The levels that are given, in the order in which combinations number them, the last fastest."""
        return {name: levels(axis) for name in LEVELS if (axis := getattr(self, name)) is not None}

    @property
    def needs_ranges(self) -> bool:
        """True where levels are multiples of the average true range."""
        return self.sl_atr is not None or self.tp_atr is not None

    @property
    def history_bars(self) -> int:
        """Bars before a range that its average true ranges are computed over."""
        return ATR_WINDOWS_BEFORE * self.atr_window if self.needs_ranges else 0


class LevelBounds(NamedTuple):
    """The numbers that a level may be: above 0, or from `least` on, and up to `most`."""

    most: float
    least: float = 0.0
    is_whole: bool = False


BOUNDS = {
    **dict.fromkeys(("sl_pct", "tp_pct"), LevelBounds(MAX_LEVEL_PCT)),
    **dict.fromkeys(("sl_atr", "tp_atr"), LevelBounds(MAX_LEVEL_ATR)),
    "trail_pct": LevelBounds(math.nextafter(100.0, 0.0)),
    "max_bars": LevelBounds(MAX_HELD_BARS, 1.0, is_whole=True),
    "atr_window": LevelBounds(MAX_ATR_WINDOW, MIN_ATR_WINDOW, is_whole=True),
}
"""The same of each number in `Risk`, for whoever moves it by a step."""

LEVELS = ("sl_pct", "sl_atr", "trail_pct", "max_bars", "tp_pct", "tp_atr")
"""The fields of `Risk` that are levels, in the order of `kernels.simulation.exits`."""
