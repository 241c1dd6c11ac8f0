"""The cases of a robustness check before they are run: each is a request of one strategy, and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from candleray.backtests.parameters import parameters
from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import Check
from candleray.errors import InvalidInput
from candleray.search.robustness.parameter_steps import NoStep, replaced, steps_of
from candleray.search.signals.delays import delayed
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import DAY_MS, from_ms, iso, ms_of
from candleray.validation import validated

COST_FACTORS = (2, 3, 4)
DELAY_BARS = (1, 2, 3)
START_DAYS = (1, 7, 30)
"""Days by which the start is later; each only where it is at most a quarter of the range."""


@dataclass(frozen=True)
class Plan:
    """One case: the strategy with one thing otherwise, as a resolved request."""

    check: Check
    name: str
    changed: Mapping[str, float | str]
    request: BacktestRequest


@dataclass
class Planner:
    """Plans the cases of one strategy, and notes those that cannot be."""

    strategy: BacktestRequest
    """A resolved request of one variant."""
    defaults: BacktestSettings
    notes: list[str] = field(default_factory=list)

    def plans(self, checks: Sequence[Check]) -> list[Plan]:
        """Return the cases of these checks; none of one that is drawn at random."""
        return [plan for check in checks if check in _PLANNED for plan in _PLANNED[check](self)]

    def otherwise(self, **changes: Any) -> BacktestRequest:
        """Return the strategy with these fields otherwise.

        Raises:
            InvalidInput: there is no such strategy.
        """
        content = {**self.strategy.model_dump(mode="json"), **changes}
        request = resolve(validated(BacktestRequest, content), self.defaults)
        VariantGrid(request)  # refuses what an indicator's constraint forbids
        return request

    def costs(self) -> Iterator[Plan]:
        """Yield fees and slippage times 2, 3, 4; of a strategy without costs, the market's times 1 to 4."""
        strategy = self.strategy
        fee_pct, slippage_pct, whose = strategy.fee_pct, strategy.slippage_pct, ""
        if not fee_pct and not slippage_pct:
            fee_pct, slippage_pct = strategy.instrument.market.fee_pct, self.defaults.slippage_pct
            whose = "the market's "
            self.notes.append("costs: the strategy has none, so that those of its market are tried")
        for factor in (1, *COST_FACTORS) if whose else COST_FACTORS:
            changed = {"fee_pct": _times(fee_pct, factor), "slippage_pct": _times(slippage_pct, factor)}
            yield from self._plan(Check.COSTS, f"{whose}fees and slippage × {factor}", changed, changed)

    def delay(self) -> Iterator[Plan]:
        """Yield entries one to three bars later, and with them the exits that follow from an entry's condition."""
        for bars in DELAY_BARS:
            words = f"entries {bars} {'bar' if bars == 1 else 'bars'} later"
            yield Plan(Check.DELAY, words, {"entry_delay_bars": bars}, delayed(self.strategy, bars))

    def parameters(self) -> Iterator[Plan]:
        """Yield every number of the strategy one step lower, and one higher."""
        content = self.strategy.model_dump(mode="json")
        before = parameters(content)
        for step in steps_of(content):
            if isinstance(step, NoStep):
                self.notes.append(f"parameters: {step.reason}")
                continue
            for value in step.neighbours:
                other = replaced(content, step.place, value)
                changed = {name: one for name, one in parameters(other).items() if one != before.get(name)}
                name = next(iter(changed), ".".join(map(str, step.place)))
                words = f"{name} {value:g} in place of {step.value:g}"
                yield from self._plan(Check.PARAMETERS, words, changed or {name: value}, other)
            if missing := step.missing:
                self.notes.append(f"parameters: {'.'.join(map(str, step.place))} {missing}")

    def years(self) -> Iterator[Plan]:
        """Yield each calendar year alone, the first and the last as far as they lie in the range."""
        span = self.strategy.time_range
        first, last = (from_ms(moment).year for moment in (span.start_ms, span.end_ms - 1))
        if first == last:
            self.notes.append(f"years: the range lies within {first}, there is no other year")
            return
        for year in range(first, last + 1):
            start_ms, end_ms = max(span.start_ms, ms_of(f"{year}-01-01")), span.end_ms
            if year < last:
                end_ms = ms_of(f"{year + 1}-01-01")
            yield from self._in_range(Check.YEARS, f"{year} alone", start_ms, end_ms)

    def starts(self) -> Iterator[Plan]:
        """Yield the range without its first day, week and month."""
        span = self.strategy.time_range
        short = [days for days in START_DAYS if 4 * days * DAY_MS > span.end_ms - span.start_ms]
        for days in START_DAYS:
            if days not in short:
                words = f"start {days} {'day' if days == 1 else 'days'} later"
                yield from self._in_range(Check.STARTS, words, span.start_ms + days * DAY_MS, span.end_ms)
        if short:
            told = ", ".join(map(str, short))
            self.notes.append(f"starts: {told} days later would be more than a quarter of the range")

    def _in_range(self, check: Check, words: str, start_ms: int, end_ms: int) -> Iterator[Plan]:
        times = {"start": iso(start_ms), "end": iso(end_ms)}
        yield from self._plan(check, words, times, {"time_range": times})

    def _plan(
        self, check: Check, name: str, changed: Mapping[str, float | str], fields: Mapping[str, Any]
    ) -> Iterator[Plan]:
        try:
            yield Plan(check, name, changed, self.otherwise(**fields))
        except InvalidInput as error:
            self.notes.append(f"{check}: {name} cannot be tried: {error.message}")


Planned: TypeAlias = Callable[[Planner], Iterator[Plan]]

_PLANNED: Mapping[Check, Planned] = {
    Check.COSTS: Planner.costs,
    Check.DELAY: Planner.delay,
    Check.PARAMETERS: Planner.parameters,
    Check.YEARS: Planner.years,
    Check.STARTS: Planner.starts,
}


def _times(percent: float | None, factor: int) -> float:
    """Return a multiple as people write it: 0.1 times 3 is 0.3."""
    return float(Decimal(repr(percent or 0.0)) * factor)
