"""Numbered variants of a request.

`resolve` fills in what was left out and orders the indicators, so that the same content has one spelling.
`VariantGrid` numbers the variants: every indicator's own combinations of inputs, parameters and signal parameters
are its *planes*, and a variant is one plane of each indicator, the last indicator fastest. A variant can be told
from its index alone; none is ever stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar

from candleray.backtests.preflight import SizedRequest
from candleray.backtests.rank_by import ranking_metric
from candleray.backtests.request import BacktestRequest, OverGaps, StrategyAxes
from candleray.errors import invalid
from candleray.hashes import canonical_json, content_hash
from candleray.search.indicator_grid import IndicatorGrid, Radix
from candleray.search.signals.completed import completed_signals, with_defaults
from candleray.search.signals.expressions import Need
from candleray.search.signals.signal_grid import SignalGrid
from candleray.settings import BacktestSettings
from kernels import ENGINE_VERSION
from kernels.indicators import INDICATORS
from kernels.simulation.programs import Program

BARS_PER_WORD = 64

OTHER_CANDLES = (
    "its conditions read another timeframe or instrument, and a history of chance has the bars of one instrument "
    "alone: leave these conditions out"
)


MINUTES_INSIDE = (
    "fill.stops is intrabar, and a bar of a history of chance has no minutes inside: search bars of 1m, or leave "
    "fill.stops out"
)


class Numbering(Protocol):
    """The base variants of a request: which planes each of them reads, and what becomes of these."""

    radix: Radix

    @property
    def groups(self) -> Sequence[Any]:
        """The owners of planes: indicators, or conditions. Each has a size and look-backs."""
        ...

    def title_of(self, at: int) -> str:
        """Return the words in which a note names the group at that place."""
        ...

    @property
    def plane_rows(self) -> int:
        """Rows of bits of a plane that are kept: two, or the only one that is read."""
        ...

    @property
    def together(self) -> Sequence[Sequence[int]]:
        """The groups, by their places, whose planes of one number are made at once; those are of one size."""
        ...

    @property
    def program(self) -> Program: ...

    @property
    def sources(self) -> Sequence[Need]:
        """The other candles that are read, each with the longest history that is read of them."""
        ...

    @property
    def lookback_bars(self) -> int: ...

    def plane_numbers(self, base: int) -> list[int]:
        """Return the number of each group's plane, the groups' planes counted one after the other."""
        ...

    def strategy_part(self, base: int) -> dict[str, Any]:
        """Return what a request of this base variant alone has in place of indicators or signals."""
        ...


class IndicatorNumbering:
    """The base variants of a request with indicators: one plane of each, all of which must agree."""

    plane_rows = 2
    program = Program.none()
    sources: Sequence[Need] = ()

    def __init__(self, request: BacktestRequest) -> None:
        self.groups = tuple(IndicatorGrid(axes) for axes in request.indicators)
        self.radix = Radix(tuple(grid.size for grid in self.groups))

    @property
    def together(self) -> Sequence[Sequence[int]]:
        return [[at] for at in range(len(self.groups))]

    def title_of(self, at: int) -> str:
        return self.groups[at].id

    @cached_property
    def lookback_bars(self) -> int:
        return max(grid.lookback_at(digit) for grid in self.groups for digit in range(grid.size))

    def plane_numbers(self, base: int) -> list[int]:
        offset, numbers = 0, []
        for grid, digit in zip(self.groups, self.radix.decode(base), strict=True):
            numbers.append(offset + digit)
            offset += grid.size
        return numbers

    def strategy_part(self, base: int) -> dict[str, Any]:
        chosen = [grid.at(digit) for grid, digit in zip(self.groups, self.radix.decode(base), strict=True)]
        return {
            "indicators": [
                {"id": one.id, "inputs": one.inputs, "params": one.params, "signal": one.signal} for one in chosen
            ]
        }


class VariantGrid:
    """Every variant of a resolved request, by index.

    A base variant is one plane of each indicator; under each combination of stop levels and sizes it is another
    variant. Combinations are the fastest digits: a level of each kind, in the order of
    `backtests.rules.risk.LEVELS`, then a size.

    Raises:
        InvalidInput: a shortlist by total return would cut what another metric is to rank.
    """

    def __init__(self, request: BacktestRequest) -> None:
        self.request = request
        self.numbering: Numbering = IndicatorNumbering(request) if request.signals is None else SignalGrid(request)
        self.radix = self.numbering.radix
        """Numbers the base variants."""
        self.levels = request.risk.axes
        """The levels of each kind that it has."""
        self.sizes = request.sizing.axes
        """The sizes that are measured by risk, by the field of the sizing."""
        self.combinations = Radix(tuple(axis.count for axis in (*self.levels.values(), *self.sizes.values())))
        self.ranked_by = ranking_metric(request.rank_by)
        self._require_all_to_rank()
        if request.luck is not None:
            self.require_lone_bars("luck")

    def require_lone_bars(self, field: str) -> None:
        """Let through what bars of one instrument and timeframe are enough for, such as histories of chance.

        Raises:
            InvalidInput: it reads other candles than these bars, or the minutes inside them; of that field.
        """
        if self.numbering.sources:
            raise invalid(field, "other_candles", OTHER_CANDLES)
        if self.looks_inside and self.request.timeframe != "1m":
            raise invalid("fill.stops", "inside_of_bars", MINUTES_INSIDE)

    def _require_all_to_rank(self) -> None:
        if self.request.rank_by is not None and self.has_stage_b and self.kept < self.radix.size:
            message = (
                f"preselect {self.kept} would keep the best of {self.radix.size} base variants by total return, "
                f"and rank_by {self.request.rank_by} ranks all of them: leave preselect out, or say 'all'"
            )
            raise invalid("preselect", "cut_by_another_metric", message)

    @property
    def size(self) -> int:
        return self.radix.size * self.combinations.size

    @property
    def has_stops(self) -> bool:
        return bool(self.levels)

    @property
    def has_stage_b(self) -> bool:
        """True where variants are combinations of levels and sizes, walked entry by entry."""
        return bool(self.levels or self.sizes)

    @property
    def looks_inside(self) -> bool:
        """True where levels are looked at in the minutes of bars."""
        return self.has_stops and self.request.fill.looks_inside

    @property
    def kept(self) -> int:
        """Base variants that go on to Stage B."""
        preselect = self.request.preselect
        # One size without levels takes no longer than the base variant: nothing is won by a choice before.
        if not isinstance(preselect, int) or not (self.has_stops or self.combinations.size > 1):
            return self.radix.size
        return min(preselect, self.radix.size)

    @property
    def evaluated(self) -> int:
        """Variants evaluated exactly, with their stops and sizes."""
        return self.kept * self.combinations.size if self.has_stage_b else self.size

    @property
    def needs_stage_a(self) -> bool:
        """True where base variants are ranked without stops: as the answer, or because some are cut."""
        return not self.has_stage_b or self.kept < self.radix.size

    @property
    def simulations(self) -> int:
        """Number of accounts that are walked through bars, of the candles and of histories of chance."""
        return self.simulations_of_a_history * (1 if self.request.luck is None else 1 + self.request.luck.walks)

    @property
    def simulations_of_a_history(self) -> int:
        """Number of accounts that are walked through the bars of one history."""
        return self.evaluated + (self.radix.size if self.has_stage_b and self.needs_stage_a else 0)

    @property
    def groups(self) -> Sequence[Any]:
        """The owners of planes: indicators, or the conditions of signals."""
        return self.numbering.groups

    @property
    def planes(self) -> int:
        return sum(group.size for group in self.groups)

    def plane(self, index: int) -> Any:
        """The plane of that number, the groups' planes counted one after the other."""
        for group in self.groups:
            if index < group.size:
                return group.at(index)
            index -= group.size
        raise IndexError("there are fewer planes")

    @cached_property
    def plane_offsets(self) -> tuple[int, ...]:
        """The number of each group's first plane."""
        sizes = [group.size for group in self.groups]
        return tuple(sum(sizes[:position]) for position in range(len(sizes)))

    def variant(self, index: int) -> tuple[Any, ...]:
        """The planes of a variant."""
        return tuple(
            self.plane(number) for number in self.numbering.plane_numbers(index // self.combinations.size)
        )

    def risk(self, index: int) -> dict[str, float | None]:
        """The stop levels of a variant, as its request has them."""
        return {**self.request.risk.model_dump(mode="json"), **self._chosen(index, self.levels)}

    def sizing(self, index: int) -> dict[str, Any]:
        """The sizing of a variant, as its request has it."""
        return {**self.request.sizing.model_dump(mode="json"), **self._chosen(index, self.sizes)}

    def _chosen(self, index: int, axes: Mapping[str, Any]) -> dict[str, float]:
        """The values of these axes in the combination of a variant."""
        digits = self.combinations.decode(index % self.combinations.size)
        named = zip((*self.levels.items(), *self.sizes.items()), digits, strict=True)
        return {name: axis.at(digit) for (name, axis), digit in named if name in axes}

    def strategy(self, index: int) -> dict[str, Any]:
        """Return the request of that variant alone, which gives the same result; pruning belongs to the search."""
        whole = self.request.model_dump(mode="json", exclude=_NOT_OF_ONE_VARIANT)
        part = self.numbering.strategy_part(index // self.combinations.size)
        return {**whole, **part, "risk": self.risk(index), "sizing": self.sizing(index)}


_NOT_OF_ONE_VARIANT = {"indicators", "let", "signals", "where"} | {
    *("pruning", "rank_by", "min_trades", "top_k", "preselect", "verdict", "trades_for", "luck"),
}


AxesT = TypeVar("AxesT", bound=StrategyAxes)


def resolve(request: BacktestRequest, defaults: BacktestSettings) -> BacktestRequest:
    """The request with nothing left out, its indicators in canonical order, and each limit in one place.

    Raises:
        InvalidInput: the sizing's budget is more than the initial cash; it reserves candles, which the API keeps.
    """
    if request.holdout is not None:
        raise invalid("holdout", "not_kept_here", "only the API seals candles: leave holdout out")
    whole = filled_in(request, defaults)
    top_k = defaults.top_k if whole.top_k is None else whole.top_k
    pruning = whole.pruning
    if whole.min_trades is not None:
        pruning = pruning.model_copy(update={"min_trades": whole.min_trades})
    # A shortlist is by total return: what another metric ranks first may not be in it.
    shortlist = defaults.preselect if whole.rank_by is None else "all"
    preselect = shortlist if whole.preselect is None else whole.preselect
    chosen = {"top_k": top_k, "preselect": preselect, "pruning": pruning, "min_trades": None}
    return whole.model_copy(update=chosen)


def filled_in(axes: AxesT, defaults: BacktestSettings) -> AxesT:
    """Indicators and rules of trading with nothing left out, the indicators in canonical order.

    Raises:
        InvalidInput: the sizing's budget is more than the initial cash.
    """
    indicators = [with_defaults(one) for one in axes.indicators]
    indicators.sort(key=lambda one: canonical_json(one.model_dump(mode="json")))
    changes: dict[str, Any] = (
        {"indicators": tuple(indicators)} if axes.signals is None else completed_signals(axes)
    )
    chosen = {
        "init_cash_quote": defaults.init_cash_quote,
        "fee_pct": axes.instrument.market.fee_pct,
        "slippage_pct": defaults.slippage_pct,
    }
    missing = {name: value for name, value in chosen.items() if getattr(axes, name) is None}
    whole = axes.model_copy(update={**changes, **missing})
    return whole.model_copy(update={"sizing": whole.sizing.completed(whole.init_cash_quote or 0.0)})


def engine_params_hash(request: BacktestRequest, defaults: BacktestSettings) -> str:
    """Names everything besides the request and the candles that can change a number."""
    used = {one.id for one in request.named_indicators} | ({"atr"} if request.risk.needs_ranges else set())
    versions: Mapping[str, int] = {name: INDICATORS[name].version for name in used}
    closes = request.allow_gaps and request.over_gaps is OverGaps.CLOSE
    return content_hash(
        {
            "engine": ENGINE_VERSION,
            "indicators": versions,
            "warmup_bars": defaults.warmup_bars,
            **({"max_gap_hours": defaults.max_gap_hours} if closes else {}),
        }
    )


def request_hash(request: BacktestRequest) -> str:
    """Names the resolved request: the same content in any order or spelling has one hash."""
    return content_hash(request.model_dump(mode="json"))


def sized_request(grid: VariantGrid, defaults: BacktestSettings) -> SizedRequest:
    """The request of a grid with its hashes and sizes: what a job is made from."""
    request = grid.request
    engine_hash = engine_params_hash(request, defaults)
    return SizedRequest(request, request_hash(request), engine_hash, grid.size, grid.simulations)
