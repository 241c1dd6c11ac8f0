"""Grids that a user could ask for, each over luck of one kind: those of the definition, and others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from candleray.timeframes import Timeframe

MINUTES, QUARTERS, HOURS, DAYS = 368 * 1440, 368 * 96, 730 * 24, 1460
"""Bars of a year of minutes and of quarters of an hour, of two years of hours, of four years of days."""


@dataclass(frozen=True)
class Family:
    """A grid, and the noise that it is tried on."""

    name: str
    asks: dict[str, Any]
    """Its part of the request."""
    timeframe: Timeframe = "15m"
    bars: int = QUARTERS
    kind: str = "normal"
    hedged: bool = False
    """True where shorts lose in logs what longs do not: its halves rank a little below the middle on noise."""


def _axis(start: float, stop: float, step: float) -> dict[str, float]:
    return {"start": start, "stop": stop, "step": step}


def _one(name: str, window: Any, **signal: Any) -> dict[str, Any]:
    return {"id": name, "params": {"window": window}, **({"signal": signal} if signal else {})}


LONG = {"direction": "long-only", "exit_on": "neutral"}
REVERSING = {"direction": "long-short", "exit_on": "neutral"}
BOTH = {"direction": "long-short", "exit_on": "opposite"}

SMA = _one("sma", _axis(5, 200, 5))
RSI = _one(
    "rsi", {"values": [7, 10, 14, 18, 21]}, long_threshold=_axis(35, 55, 5), short_threshold={"values": [70]}
)
SMA_RSI: dict[str, Any] = {"indicators": [SMA, RSI], **LONG}
AVERAGES = {"fast": _one("ema", _axis(5, 50, 5)), "slow": _one("ema", _axis(60, 240, 20))}
LOW_RISK = {"sl_pct": {"values": [2, 4, 8]}, "tp_pct": {"values": [0.3, 0.5, 1]}}


def _over(*indicators: dict[str, Any], **terms: Any) -> dict[str, Any]:
    return {"indicators": list(indicators), **(terms or LONG)}


CROSS = {"long_entry": {"cross_above": ["fast", "slow"]}, "long_exit": {"cross_below": ["fast", "slow"]}}
HOURS_HELD = {"long_entry": {"between": [{"time": "hour"}, _axis(0, 19, 1), _axis(4, 23, 1)]}}
COPIES = _one("rsi", 14, long_threshold=_axis(45, 45.24, 0.01), short_threshold=90)
ROC_DAYS = _one("roc", _axis(1, 60, 2))
SELDOM = _one("rsi", _axis(14, 30, 4), long_threshold=_axis(14, 30, 4), short_threshold=90)
PIVOTS = {"id": "pivots", "params": {"left": _axis(2, 40, 1), "right": _axis(1, 25, 1)}}
OBV = {"id": "obv", "signal": {"long_delta_periods": _axis(1, 25, 1), "short_delta_periods": 1}}
CCI = _one("cci", _axis(8, 56, 12), threshold=_axis(0, 100, 25))
FEW = _over(_one("sma", _axis(10, 190, 20)), _one("rsi", 14, long_threshold=_axis(35, 55, 5), short_threshold=70))

NOTED = (
    Family("SMA × RSI", SMA_RSI),
    Family("SMA × ROC, long-short", _over(SMA, _one("roc", _axis(4, 100, 4)), **REVERSING), hedged=True),
    Family("25 copies of each", _over(SMA, COPIES)),
    Family("rare trades", _over(SMA, SELDOM)),
    Family("fat tails in clusters", SMA_RSI, kind="clustered"),
    Family("small take-profits", {**FEW, "risk": LOW_RISK, "preselect": "all"}),
    Family("SMA × RSI, long-short", _over(SMA, RSI, **BOTH), hedged=True),
)
"""Families like those on which the rule was chosen."""

OTHERS = (
    Family("pivots", _over(PIVOTS, **BOTH), hedged=True),
    Family("volume", _over(_one("volume_sma", _axis(5, 200, 5)), OBV, direction="long-only", exit_on="opposite")),
    Family("hours of the day", {"signals": HOURS_HELD, **LONG}),
    Family("crosses", {"let": AVERAGES, "signals": CROSS, **LONG}),
    Family("minutes", FEW, "1m", MINUTES),
    Family("hourly bars", _over(_one("ema", _axis(5, 200, 5)), CCI), "1h", HOURS),
    Family("daily bars", _over(_one("ema", _axis(5, 120, 5)), ROC_DAYS, **BOTH), "1d", DAYS, hedged=True),
)
"""Families that were not looked at when the rule was chosen."""

FAMILIES = {family.name: family for family in (*NOTED, *OTHERS)}
