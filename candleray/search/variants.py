"""Numbered variants of a request.

`resolve` fills in what was left out and orders the indicators, so that the same content has one spelling.
`VariantGrid` numbers the variants: every indicator's own combinations of inputs, parameters and signal parameters
are its *planes*, and a variant is one plane of each indicator, the last indicator fastest. A variant can be told
from its index alone; none is ever stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from candleray.backtests.axes import Steps, Values, levels
from candleray.backtests.preflight import SizedRequest
from candleray.backtests.request import BacktestRequest, IndicatorAxes, StrategyAxes
from candleray.errors import GuardExceeded, Problem, invalid
from candleray.hashes import canonical_json, content_hash
from candleray.settings import BacktestSettings
from kernels import ENGINE_VERSION
from kernels.indicators import INDICATORS
from kernels.signals import lookback

BARS_PER_WORD = 64
MAX_CONSTRAINED = 50_000
"""Combinations of one indicator that has a constraint: each is looked at, a microsecond or two."""


@dataclass(frozen=True)
class Radix:
    """The mixed-radix numbering over axes of these sizes, the last one fastest."""

    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.sizes)

    def decode(self, index: int) -> tuple[int, ...]:
        if not 0 <= index < self.size:
            raise IndexError(f"index {index} is outside 0 to {self.size - 1}")
        digits = []
        for size in reversed(self.sizes):
            index, digit = divmod(index, size)
            digits.append(digit)
        return tuple(reversed(digits))

    def encode(self, digits: Sequence[int]) -> int:
        index = 0
        for size, digit in zip(self.sizes, digits, strict=True):
            if not 0 <= digit < size:
                raise IndexError(f"digit {digit} is outside 0 to {size - 1}")
            index = index * size + digit
        return index


@dataclass(frozen=True)
class IndicatorVariant:
    """One plane: an indicator with everything fixed."""

    id: str
    inputs: dict[str, str]
    params: dict[str, float]
    signal: dict[str, float]

    @property
    def lookback_bars(self) -> int:
        """Bars before the first bar that can have a signal."""
        return lookback(INDICATORS[self.id], self.params, self.signal)


@dataclass(frozen=True)
class _NamedAxis:
    group: str
    name: str
    values: tuple[str, ...] | Values | Steps

    @property
    def count(self) -> int:
        return len(self.values) if isinstance(self.values, tuple) else self.values.count

    def at(self, index: int) -> Any:
        return self.values[index] if isinstance(self.values, tuple) else self.values.at(index)


class IndicatorGrid:
    """The planes of one indicator: its own axes in the order inputs, params, signal, each as declared.

    Combinations that the indicator's constraint forbids (a fast average slower than the slow one) do not exist:
    they have no number.

    Raises:
        InvalidInput: none is allowed.
        GuardExceeded: more combinations than can be checked one by one.
    """

    def __init__(self, axes: IndicatorAxes) -> None:
        indicator = INDICATORS[axes.id]
        self.id = axes.id
        columns = {name: (value,) if isinstance(value, str) else value for name, value in axes.inputs.items()}
        self._axes = [
            *(_NamedAxis("inputs", name, columns[name]) for name in indicator.selectable_inputs),
            *(_NamedAxis("params", name, levels(axes.params[name])) for name in indicator.params),
            *(_NamedAxis("signal", name, levels(axes.signal[name])) for name in indicator.rule.params),
        ]
        self._radix = Radix(tuple(axis.count for axis in self._axes))
        self._allowed = None if indicator.constraint is None else self._allowed_by(indicator.constraint)

    @property
    def size(self) -> int:
        return self._radix.size if self._allowed is None else len(self._allowed)

    def at(self, digit: int) -> IndicatorVariant:
        return self._combination(digit if self._allowed is None else self._allowed[digit])

    def _combination(self, index: int) -> IndicatorVariant:
        groups: dict[str, dict[str, Any]] = {"inputs": {}, "params": {}, "signal": {}}
        for axis, position in zip(self._axes, self._radix.decode(index), strict=True):
            groups[axis.group][axis.name] = axis.at(position)
        return IndicatorVariant(self.id, **groups)

    def _allowed_by(self, constraint: Callable[..., str | None]) -> tuple[int, ...]:
        if self._radix.size > MAX_CONSTRAINED:
            message = f"{self.id}: {self._radix.size} combinations of its parameters, at most {MAX_CONSTRAINED}"
            raise GuardExceeded(message, [Problem("indicators", "over_the_limit", message)])
        wrong = [constraint(**self._combination(index).params) for index in range(self._radix.size)]
        allowed = tuple(index for index, problem in enumerate(wrong) if problem is None)
        if not allowed:
            raise invalid("indicators", "constraint", f"{self.id}: {wrong[0]}")
        return allowed


class VariantGrid:
    """Every variant of a resolved request, by index.

    A base variant is one plane of each indicator; under each combination of stop levels it is another variant.
    Combinations are the fastest digits: stop-loss, then take-profit.
    """

    def __init__(self, request: BacktestRequest) -> None:
        self.request = request
        self.indicators = tuple(IndicatorGrid(axes) for axes in request.indicators)
        self.radix = Radix(tuple(grid.size for grid in self.indicators))
        """Numbers the base variants."""
        risk = request.risk
        self.stop_losses = None if risk.sl_pct is None else levels(risk.sl_pct)
        self.take_profits = None if risk.tp_pct is None else levels(risk.tp_pct)
        self.combinations = Radix((_count(self.stop_losses), _count(self.take_profits)))

    @property
    def size(self) -> int:
        return self.radix.size * self.combinations.size

    @property
    def has_stops(self) -> bool:
        return self.stop_losses is not None or self.take_profits is not None

    @property
    def kept(self) -> int:
        """Base variants that go on to Stage B."""
        preselect = self.request.preselect
        return min(preselect, self.radix.size) if isinstance(preselect, int) else self.radix.size

    @property
    def evaluated(self) -> int:
        """Variants evaluated exactly, with their stops."""
        return self.kept * self.combinations.size if self.has_stops else self.size

    @property
    def needs_stage_a(self) -> bool:
        """True where base variants are ranked without stops: as the answer, or because some are cut."""
        return not self.has_stops or self.kept < self.radix.size

    @property
    def simulations(self) -> int:
        """Number of accounts that are walked through the bars."""
        return self.evaluated + (self.radix.size if self.has_stops and self.needs_stage_a else 0)

    @property
    def planes(self) -> int:
        return sum(grid.size for grid in self.indicators)

    def plane(self, index: int) -> IndicatorVariant:
        """The plane of that number, the indicators' planes counted one after the other."""
        for grid in self.indicators:
            if index < grid.size:
                return grid.at(index)
            index -= grid.size
        raise IndexError("there are fewer planes")

    @cached_property
    def plane_offsets(self) -> tuple[int, ...]:
        """The number of each indicator's first plane."""
        sizes = self.radix.sizes
        return tuple(sum(sizes[:position]) for position in range(len(sizes)))

    def variant(self, index: int) -> tuple[IndicatorVariant, ...]:
        """The planes of a variant."""
        digits = self.radix.decode(index // self.combinations.size)
        return tuple(grid.at(digit) for grid, digit in zip(self.indicators, digits, strict=True))

    def risk(self, index: int) -> dict[str, float | None]:
        """The stop levels of a variant."""
        stop_loss, take_profit = self.combinations.decode(index % self.combinations.size)
        return {
            "sl_pct": None if self.stop_losses is None else self.stop_losses.at(stop_loss),
            "tp_pct": None if self.take_profits is None else self.take_profits.at(take_profit),
        }

    def strategy(self, index: int) -> dict[str, Any]:
        """Return the request of that variant alone, which gives the same result; pruning belongs to the search."""
        chosen = [
            {"id": one.id, "inputs": one.inputs, "params": one.params, "signal": one.signal}
            for one in self.variant(index)
        ]
        of_the_search = {"indicators", "pruning", "top_k", "preselect", "trades_for"}
        whole = self.request.model_dump(mode="json", exclude=of_the_search)
        return {**whole, "indicators": chosen, "risk": self.risk(index)}


def _count(axis: Values | Steps | None) -> int:
    return 1 if axis is None else axis.count


AxesT = TypeVar("AxesT", bound=StrategyAxes)


def resolve(request: BacktestRequest, defaults: BacktestSettings) -> BacktestRequest:
    """The request with nothing left out and its indicators in canonical order.

    Raises:
        InvalidInput: the sizing's budget is more than the initial cash.
    """
    whole = filled_in(request, defaults)
    top_k = defaults.top_k if whole.top_k is None else whole.top_k
    preselect = defaults.preselect if whole.preselect is None else whole.preselect
    return whole.model_copy(update={"top_k": top_k, "preselect": preselect})


def filled_in(axes: AxesT, defaults: BacktestSettings) -> AxesT:
    """Indicators and rules of trading with nothing left out, the indicators in canonical order.

    Raises:
        InvalidInput: the sizing's budget is more than the initial cash.
    """
    indicators = [_with_defaults(one) for one in axes.indicators]
    indicators.sort(key=lambda one: canonical_json(one.model_dump(mode="json")))
    chosen = {
        "init_cash_quote": defaults.init_cash_quote,
        "fee_pct": axes.instrument.market.fee_pct,
        "slippage_pct": defaults.slippage_pct,
    }
    missing = {name: value for name, value in chosen.items() if getattr(axes, name) is None}
    whole = axes.model_copy(update={"indicators": tuple(indicators), **missing})
    return whole.model_copy(update={"sizing": whole.sizing.completed(whole.init_cash_quote or 0.0)})


def _with_defaults(axes: IndicatorAxes) -> IndicatorAxes:
    indicator = INDICATORS[axes.id]
    inputs = {name: axes.inputs.get(name, columns[0]) for name, columns in indicator.selectable_inputs.items()}
    params = {name: axes.params.get(name, param.default) for name, param in indicator.params.items()}
    signal = {name: axes.signal.get(name, param.default) for name, param in indicator.rule.params.items()}
    return IndicatorAxes(id=axes.id, inputs=inputs, params=params, signal=signal)


def engine_params_hash(request: BacktestRequest, defaults: BacktestSettings) -> str:
    """Names everything besides the request and the candles that can change a number."""
    versions: Mapping[str, int] = {one.id: INDICATORS[one.id].version for one in request.indicators}
    return content_hash({"engine": ENGINE_VERSION, "indicators": versions, "warmup_bars": defaults.warmup_bars})


def request_hash(request: BacktestRequest) -> str:
    """Names the resolved request: the same content in any order or spelling has one hash."""
    return content_hash(request.model_dump(mode="json"))


def sized_request(grid: VariantGrid, defaults: BacktestSettings) -> SizedRequest:
    """The request of a grid with its hashes and sizes: what a job is made from."""
    request = grid.request
    engine_hash = engine_params_hash(request, defaults)
    return SizedRequest(request, request_hash(request), engine_hash, grid.size, grid.simulations)
