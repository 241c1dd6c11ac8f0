"""A saved strategy: one variant without its time range, which never changes.

`StrategySpec` is the single variant that a backtest returns, without `time_range`, which is no property of the
strategy. Nothing in it is left out, so that a default that changes later changes no strategy. Its hash is of the
content alone: the same in any order of keys and spelling of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from candleray.backtests.axes import Steps, Values
from candleray.backtests.request import AllowGaps, BacktestRequest, HeldOverGaps, OverGaps, StrategyAxes
from candleray.backtests.rules.risk import LEVELS
from candleray.backtests.signals.cross_references import axes_of, read_names
from candleray.backtests.verdict import Verdict
from candleray.errors import invalid
from candleray.hashes import content_hash
from candleray.timeframes import TimeRange, iso
from candleray.validation import Model

SHORT_HASH = 8
"""Hexadecimal digits of the hash that a name ends with."""


class StrategySpec(StrategyAxes):
    """Everything that makes one strategy, every axis a single value."""

    spec_version: Literal[1] = 1

    @model_validator(mode="after")
    def _one_value_an_axis(self) -> Self:
        problems = [
            InitErrorDetails(
                type=PydanticCustomError("not_one_value", "a strategy has one value here, not an axis"),
                loc=place,
                input=axis,
            )
            for place, axis in _axes(self)
            if isinstance(axis, tuple | Values | Steps)
        ]
        if problems:
            raise ValidationError.from_exception_data("StrategySpec", problems)
        return self

    @property
    def hash(self) -> str:
        return content_hash(self.model_dump(mode="json"))


def _axes(axes: StrategyAxes) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    for position, indicator in enumerate(axes.indicators):
        for group in ("inputs", "params", "signal"):
            group_axes: Mapping[str, Any] = dict(getattr(indicator, group))
            for name, axis in group_axes.items():
                yield ("indicators", position, group, name), axis
    if axes.signals is not None:
        yield from axes_of(axes.let, axes.signals)
    for name in LEVELS:
        yield ("risk", name), getattr(axes.risk, name)
    if name := axes.sizing.parts_field:
        yield ("sizing", name), getattr(axes.sizing, name)


class StrategyDraft(StrategySpec):
    """A strategy to be saved; what is left out takes its default, once and for all."""

    time_range: TimeRange | None = None
    """Taken and not saved: the `strategy` of a backtest's variant has one."""
    allow_gaps: AllowGaps = False
    """Taken and not saved either: it is about the candles of a range, as is `over_gaps`."""
    over_gaps: HeldOverGaps = OverGaps.CLOSE


class StrategyChanges(Model):
    """Parts of a strategy that replace those of another; what is left out or null stays as it is.

    `RequestModels.strategy_changes` adds the fields: each of `StrategyAxes`, none of them required.
    """

    @property
    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True, exclude_unset=True)


def changed(spec: StrategySpec, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a strategy's content with other parts in place of its own.

    Indicators take the place of signals and of what belongs to them, and the other way round.

    Raises:
        InvalidInput: `let` is replaced without the signals, and lacks what they read.
    """
    let = changes.get("let")
    if let is not None and spec.signals is not None and not changes.keys() & {"signals", "indicators"}:
        lost = sorted(read_names(spec.signals) - let.keys())
        if lost:
            own = spec.model_dump(mode="json", include={"let"})["let"]
            missing = ", ".join(f"{json.dumps(name)}: {json.dumps(own[name])}" for name in lost)
            text = "let replaces all names of the strategy, and its signals read more: add"
            raise invalid("let", "lost_names", f"{text} {missing}")
    dropped = {"spec_version"}
    if "indicators" in changes:
        dropped |= {"signals", "let", "where"}
    elif "signals" in changes:
        dropped |= {"indicators"}
    return {**spec.model_dump(exclude=dropped), **changes}


class SavedBacktest(StrategyChanges):
    """A backtest of a saved strategy; with parts that replace its own, a grid around it.

    `RequestModels.saved_backtest` adds the fields: each of `BacktestRequest`, none of the strategy's own required.
    """

    strategy_id: UUID
    time_range: TimeRange

    @property
    def replaced(self) -> dict[str, Any]:
        """The request's fields that are not the strategy's own."""
        return {name: part for name, part in self.given.items() if name not in ("strategy_id", "time_range")}


class JobVariant(Model):
    """A variant of a job's search, by its number; whether the job has ended does not matter."""

    job_id: UUID
    variant_index: Annotated[int, Field(ge=0, strict=True)]
    """The `variant_index` of one of the job's best variants."""


class NewStrategy(Model):
    """The source of a new strategy: one of the two."""

    strategy: StrategyDraft | None = None
    """A strategy: written by hand, or the `strategy` of a backtest's variant as it came."""
    variant: JobVariant | None = None
    request_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The `request_hash` of the answer that has it: the verdict of that search is kept with the strategy."""

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.strategy is None) == (self.variant is None):
            raise PydanticCustomError("not_one_source", "either a strategy or the variant of a job is needed")
        if self.variant is not None and self.request_hash is not None:
            raise PydanticCustomError(
                "not_one_search", "a job's variant has a search already: leave request_hash out"
            )
        return self


class OpenedHoldout(Model):
    """Sealed candles that were opened for a strategy, and what it did on them."""

    holdout_id: UUID
    time_range: TimeRange
    opened_at: datetime
    chosen: int
    """Strategies that were chosen with it, itself among them."""
    total_return_pct: float
    benchmark_pct: float | None
    luck_p_among: float | None

    @property
    def line(self) -> str:
        """The look on one line."""
        span, among = self.time_range, "" if self.chosen == 1 else f", one of {self.chosen} that were chosen"
        held = "" if self.benchmark_pct is None else f", holding {self.benchmark_pct:,.2f} %"
        luck = "" if self.luck_p_among is None else f", luck p {self.luck_p_among:.2f}"
        return (
            f"held out: {iso(span.start_ms)} to {iso(span.end_ms)} returned {self.total_return_pct:,.2f} %"
            f"{held}{luck}{among}"
        )


class Strategy(Model):
    """A saved strategy; it never changes, but it may be deleted."""

    strategy_id: UUID
    name: str
    """Made from the content: symbol, timeframe, each indicator with its first parameter, the hash's beginning.

    Of `signals` also the timeframes and instruments of its indicators, and the stops.
    """
    spec_hash: str
    """SHA-256 of the spec's canonical JSON."""
    spec: StrategySpec
    parent_id: UUID | None = None
    """The strategy it was cloned from."""
    verdict: Annotated[Verdict | None, Field(exclude_if=lambda verdict: verdict is None)] = None
    """The verdict of the search that it was saved from, as it was then; left out where there is none."""
    trial_id: Annotated[UUID | None, Field(exclude_if=lambda trial_id: trial_id is None)] = None
    """The trial that this search is on record as."""
    holdouts: Annotated[tuple[OpenedHoldout, ...], Field(exclude_if=lambda holdouts: not holdouts)] = ()
    """Its looks at sealed candles, where the strategy alone is asked for; left out where there is none."""
    created_at: datetime
    deleted_at: datetime | None = None

    def __repr__(self) -> str:
        return f"<strategy {self.strategy_id}: {self.name}{', deleted' if self.deleted_at else ''}>"

    __str__ = __repr__


class StrategyFilter(Model):
    """Conditions on listed strategies; what is left out does not matter."""

    market_id: int | None = None
    symbol: str | None = None
    timeframe: str | None = None
    indicator: str | None = None
    name: str | None = None


class StrategyPage(Model):
    """Strategies, the newest first."""

    strategies: tuple[Strategy, ...]
    next_cursor: str | None = None
    """The `cursor` of the next page; `null` after the last."""


def request_of(spec: StrategySpec, time_range: TimeRange, replaced: Mapping[str, Any]) -> BacktestRequest:
    """A request for the strategy over a range.

    Args:
        replaced: fields of the request, in place of the strategy's own where it has them: `risk` with an axis for
            a grid over stop levels, `indicators` with axes for one over parameters, `top_k`.
    """
    return BacktestRequest.model_validate({**changed(spec, replaced), "time_range": time_range})
