"""The answer to a robustness check: one strategy as it is, and beside it under what could have been otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from candleray.backtests.axes import Number
from candleray.backtests.chance.luck import MAX_SEED
from candleray.backtests.report import shown
from candleray.backtests.request import BacktestRequest
from candleray.validation import Model


class Check(StrEnum):
    """The kinds of what could have been otherwise."""

    COSTS = "costs"
    DELAY = "delay"
    PARAMETERS = "parameters"
    YEARS = "years"
    STARTS = "starts"
    SKIPPED = "skipped"
    NOISE = "noise"


CHECKS = tuple(Check)

TITLES = {
    Check.COSTS: "higher costs",
    Check.DELAY: "later entries",
    Check.PARAMETERS: "neighbouring parameters",
    Check.YEARS: "each year alone",
    Check.STARTS: "a later start",
    Check.SKIPPED: "trades left out",
    Check.NOISE: "candles with noise",
}
"""The checks in words."""


SHOWN_PERCENTILES = (5, 50)
"""The draws of chance that stand in the table, by their places from the lowest total return up."""

TOLD_PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
"""The total returns of draws that are told."""


class RobustnessQuery(Model):
    """The variant that is checked, and the checks that are made of it."""

    variant_index: int = Field(0, ge=0, description="the variant that is checked; the first one if not given")
    check: list[Check] = Field(
        [], max_length=len(CHECKS), description="a check to make, once for each; all where none is given"
    )

    seed: int = Field(0, ge=0, le=MAX_SEED, description="of what is drawn at random")
    skipped_pct: float = Field(10, gt=0, le=90, description="chance of each trade to be left out")
    draws: int = Field(1000, ge=1, le=10_000, description="draws of trades that are left out")
    noise_pct: float = Field(
        10, gt=0, le=100, description="most that a price is moved by, of the median height of a bar"
    )
    noise_draws: int = Field(20, ge=1, le=200, description="draws of candles with noise")

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks in their own order, each once."""
        return tuple(check for check in CHECKS if not self.check or check in self.check)


class Figures(Model):
    """The numbers of one simulation that stand in the table; each is that of the report."""

    total_return_pct: float
    sharpe_ratio: float | None
    """Null where it is undefined."""
    max_drawdown_pct: float
    trades: int
    benchmark_return_pct: float
    """Buy and hold over the same bars, without costs."""
    bars: int


class Case(Model):
    """The strategy with one thing otherwise."""

    check: Check
    name: str
    """The thing that is otherwise, in words."""
    changed: dict[str, Number | str]
    """The same as numbers: `{"fee_pct": 0.15, "slippage_pct": 0.02}`, `{"sma.window": 22}`."""
    figures: Figures


class Draws(Model):
    """A check that is drawn at random, over all of its draws."""

    check: Check
    draws: int
    losing: int
    """Draws whose total return is below zero."""
    total_return_pct: dict[str, float]
    """Percentile of the draws to total return: `"0"` the lowest, then 5, 25, 50, 75, 95, and `"100"`."""


class Robustness(Model):
    """One strategy beside itself under each check."""

    request: BacktestRequest
    """The variant alone, resolved: what all cases are made of."""
    variant_index: int
    """Its number in the request that was sent."""
    sentences: tuple[str, ...]
    """The strategy in words."""
    base: Figures
    """The strategy as it is."""
    cases: tuple[Case, ...]
    draws: tuple[Draws, ...] = ()
    """The checks that are drawn at random; in `cases` two of the draws of each stand for all."""
    seed: int = 0
    """The seed of all draws."""
    worst: int | None
    """The place in `cases` of the lowest total return; null where no case could be made."""
    summary: tuple[str, ...]
    """The worst case in words, then a line for each check."""
    notes: tuple[str, ...] = ()
    """Cases that could not be made, and why; remarks on the candles."""


def worst_of(cases: Sequence[Case]) -> int | None:
    """Return the place of the lowest total return, the first of equals."""
    return min(range(len(cases)), key=lambda at: cases[at].figures.total_return_pct, default=None)


def summary_of(base: Figures, cases: Sequence[Case], draws: Sequence[Draws] = ()) -> tuple[str, ...]:
    """Say the worst case, and of each check how many cases or draws lose and which is its worst."""
    worst = worst_of(cases)
    if worst is None:
        return ()
    one = cases[worst]
    where = f"{one.name} ({TITLES[one.check]})"
    first = f"Worst of {len(cases)} cases: {where}, {_told(one)}; as it is {_return(base)}."
    drawn = {one.check: one for one in draws}
    made = dict.fromkeys(case.check for case in cases if case.check not in drawn)
    lines = (_line(check, [case for case in cases if case.check is check]) for check in made)
    return (first, *lines, *map(_line_of_draws, draws))


def _line_of_draws(draws: Draws) -> str:
    title, told = _title(draws.check), draws.total_return_pct
    return (
        f"{title}: {draws.losing:,} of {draws.draws:,} draws lose; half return {told['50']:+,.2f} % or less, "
        f"5 % of them {told['5']:+,.2f} % or less."
    )


def _title(check: Check) -> str:
    return TITLES[check][0].upper() + TITLES[check][1:]


def _line(check: Check, cases: Sequence[Case]) -> str:
    worst = min(cases, key=lambda case: case.figures.total_return_pct)
    losing = sum(case.figures.total_return_pct < 0 for case in cases)
    return f"{_title(check)}: {losing} of {len(cases)} lose; the worst, {worst.name}, {_told(worst)}."


def _told(case: Case) -> str:
    drawdown = shown("Max. Drawdown [%]", case.figures.max_drawdown_pct)
    return f"{_return(case.figures)} with a drawdown of {drawdown} %"


def _return(figures: Figures) -> str:
    return f"{figures.total_return_pct:+,.2f} %"
