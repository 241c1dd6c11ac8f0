"""The report of one variant, as a page or a notebook shows it: numbers by month beside those of the whole."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.backtests.request import BacktestRequest
from candleray.backtests.rules.fill import Ties
from candleray.validation import Model


class MonthReturn(Model):
    """A UTC month of the range, or the part of it that lies in the range."""

    month: str
    """Such as `2025-01`."""
    return_pct: float
    """Last equity of the month against that before it; the first month against the initial cash."""
    benchmark_return_pct: float
    """The same of the closes: buy and hold without costs."""


class YearReturn(Model):
    """A UTC year of the range, or the part of it that lies in the range."""

    year: str
    return_pct: float
    """Last equity of the year against that before it; the first year against the initial cash."""
    benchmark_return_pct: float


class DrawdownEpisode(Model):
    """A fall of the equity below its peak, to the recovery or the end of the range."""

    depth_pct: float
    """The fall from the peak to the lowest point, in percent of the peak."""
    peak_time: str
    lowest_time: str
    recovery_time: str | None
    """The first close at or above the peak again; null where there is none in the range."""
    duration_ms: int


class SideExposure(Model):
    """Mean over all bars of position value / equity, by side; together the metric Gross Exposure."""

    long: float
    short: float


class TradingCosts(Model):
    """Money that the fills of all trades cost; it is in their profits already."""

    fees_quote: float
    slippage_quote: float
    """The difference between the fills and the prices that they filled at."""


class VariantReport(Model):
    """One variant over its range; its curve and its trades are answers of their own."""

    request: BacktestRequest
    """The variant alone, resolved: sent again, it gives the same report."""
    variant_index: int
    """Its number in the request that was sent."""
    sentences: tuple[str, ...]
    """The strategy in words."""
    bars: int
    trades: int
    metrics: dict[str, float | int | None]
    """Name to number, as in the answer of a backtest."""
    months: tuple[MonthReturn, ...]
    years: tuple[YearReturn, ...] = ()
    drawdowns: tuple[DrawdownEpisode, ...] = ()
    """The ten deepest, the deepest first."""
    exposure: SideExposure | None = None
    costs: TradingCosts | None = None
    ties: Annotated[Ties | None, Field(exclude_if=lambda ties: ties is None)] = None
    """Exits that nobody can order; left out where levels are looked at on closes."""
    notes: tuple[str, ...] = ()
