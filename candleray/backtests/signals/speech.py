"""A strategy said aloud: the words of numbers, lists and times that all its parts share.

The words of a kind of condition or operand stand beside its model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from candleray.backtests.axes import Steps, Values
from candleray.markets import Instrument
from candleray.timeframes import Timeframe

MANY_VALUES = 6
"""An axis of more values is said by its first ones, its last one and their number."""

_EVERY: Mapping[str, str] = {
    "1m": "one-minute",
    "5m": "5-minute",
    "15m": "15-minute",
    "1h": "hourly",
    "4h": "4-hour",
    "1d": "daily",
}


@dataclass(frozen=True)
class Speech:
    """The words for the parts of one strategy; a name is said by what it stands for."""

    let: Mapping[str, Any] = field(default_factory=dict)

    def operand(self, part: Any) -> str:
        """Say a node, a name, a number or an axis."""
        if isinstance(part, str):
            return self.operand(self.let[part]) if part in self.let else part
        return number(part) if isinstance(part, int | float | Values | Steps) else str(part.words(self))

    def condition(self, part: Any, denied: bool = False) -> str:
        """Say a condition, or that it is not so."""
        return str(part.words(self, denied))

    def within(self, part: Any) -> str:
        """Say an operand as a part of another one: arithmetic in parentheses."""
        words = self.operand(part)
        return f"({words})" if self.named(part).is_compound else words

    def clause(self, part: Any, denied: bool = False) -> str:
        """Say a condition as a part of another one: several together in parentheses."""
        words = self.condition(part, denied)
        return f"({words})" if part.is_compound else words

    def named(self, part: Any) -> Any:
        """Return what a name stands for; a number as a thing that has no parts."""
        while isinstance(part, str) and part in self.let:
            part = self.let[part]
        return part if hasattr(part, "is_compound") else _Plain()


class _Plain:
    is_compound = False


def number(axis: float | Values | Steps) -> str:
    """Say a number, or an axis in parentheses: `20`, `(20 or 25)`, `(10 to 50 by 5)`."""
    return _plain(axis) if isinstance(axis, int | float) or axis.count == 1 else f"({levels_in_words(axis)})"


def levels_in_words(axis: float | Values | Steps) -> str:
    """Say a number, or an axis: `20`, `20 or 25`, `10 to 50 by 5`."""
    if isinstance(axis, int | float) or axis.count == 1:
        return _plain(axis)
    if isinstance(axis, Steps):
        return f"{axis.start} to {axis.stop} by {axis.step}"
    if axis.count > MANY_VALUES:
        few = ", ".join(map(str, axis.values[:3]))
        return f"{few}, … or {axis.values[-1]}, {axis.count} values"
    return joined([str(value) for value in axis.values], "or")


def bars(axis: float | Values | Steps, timeframe: Timeframe | None = None) -> str:
    """Say how many bars: `1 bar`, `3 daily bars`, `(2 or 3) bars`."""
    kind = "bar" if timeframe is None else f"{every(timeframe)} bar"
    return f"{number(axis)} {kind}" if axis == 1 else f"{number(axis)} {kind}s"


def every(timeframe: Timeframe) -> str:
    """Say how often: `daily`."""
    return _EVERY[timeframe]


def joined(parts: Sequence[str], word: str) -> str:
    """Join words: `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def indicator(id: str, params: Mapping[str, Any]) -> str:
    """Say an indicator: `EMA(10 to 50 by 5)`, `OBV`."""
    name = id.upper().replace("_", " ")
    return f"{name}({', '.join(map(levels_in_words, params.values()))})" if params else name


def with_source(
    words: str,
    inputs: Mapping[str, Any],
    timeframe: Timeframe | None,
    instrument: Instrument | None,
) -> str:
    """Say of which column, bars and instrument it is: `the daily EMA(10) of hlc3 of binance-spot BTCUSDT`."""
    columns = [joined([column] if isinstance(column, str) else column, "or") for column in inputs.values()]
    of = [column for column in columns if column != "close"]
    if instrument is not None:
        of.append(f"{instrument.market.name} {instrument.symbol}")
    frame = "" if timeframe is None else f"the {every(timeframe)} "
    return "".join((frame, words, *(f" of {one}" for one in of)))


def _plain(axis: float | Values | Steps) -> str:
    return str(axis if isinstance(axis, int | float) else axis.at(0))
