"""The declarations of indicators and signal rules; of the standard library alone, so importable without numba."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Number: TypeAlias = int | float

PRICES = ("close", "open", "high", "low", "hlc3", "ohlc4")
"""The columns a price input may take, the default first; `hlc3` and `ohlc4` are the means of those prices."""


@dataclass(frozen=True)
class Param:
    """One parameter: hard bounds `ge` and `le`, and the `grid` (start, stop, step; stop included) of a search.

    `step` is what a form's spinner moves by; it does not forbid values between.
    """

    kind: Literal["int", "float"]
    default: Number
    ge: Number
    le: Number
    step: Number
    grid: tuple[Number, Number, Number]
    description: str
    counts_bars: bool = True
    """A whole number is a window, of so many bars of history."""

    @property
    def is_window(self) -> bool:
        return self.kind == "int" and self.counts_bars

    def cast(self, value: Number) -> Number:
        """The value in this parameter's type.

        Raises:
            ValueError: for a fraction where a whole number is wanted.
        """
        if self.kind == "float":
            return float(value)
        if int(value) != value:
            raise ValueError(f"{value} is not a whole number")
        return int(value)


@dataclass(frozen=True)
class Rule:
    """The family of signal rules that reads an indicator, the outputs it reads, and its defaults here."""

    family: str
    outputs: tuple[str, ...]
    params: Mapping[str, Param] = field(default_factory=dict)


@dataclass(frozen=True)
class WindowSweep:
    """Planes of several values of the parameter `over` in one pass over the bars; nobody needs to write one.

    `kernel(*columns, *inputs, *params, *signal, start, planes)` takes the columns of the rule's family, an
    ascending array of whole numbers for that parameter, and one number for every other. It writes planes
    `uint8[k, 2, octets]` as the family's kernel would one by one, the same to the bit; `start` is a multiple of
    eight.
    """

    over: str
    kernel: Callable[..., Any]


@dataclass(frozen=True)
class Example:
    """A worked example: what the documentation shows and a test holds; NaN where there is no value yet."""

    inputs: Mapping[str, tuple[float, ...]]
    params: Mapping[str, Number]
    expected: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Indicator:
    """Declaration of one indicator.

    `kernel(*inputs, *params, *outputs)` takes its arguments in the declared orders; the outputs come prefilled
    with NaN, or as they are where `fills` says that the kernel writes every bar of them, NaN too. A kernel of many
    outputs takes them as one named tuple, `outputs_type`, its state among them.

    Bars of a live run come one by one. A windowed indicator has the same values to the last bit when it begins
    later, at a multiple of `phase(**params)` bars. A recursive one has `state_size(**params)` floats of state, an
    argument behind the outputs: what lives across its loop, zeros where a history begins. If it reads earlier
    inputs too, those of `input_lookback(**params)` bars, it takes `start` last, the first bar that is new.

    `reference(*inputs, *params)` is slow and obvious, returns one list an output, and only tests call it.
    `lookback(**params)` is the index of the first value. `constraint(**params)` says what is wrong between
    parameters, or None. `events` says that the outputs hold a value on single bars alone, the first of them at the
    look-back or later. `sweep` is optional. `name` is the module's name, set where the modules are discovered;
    raise `version` when the numbers change: it is part of the engine's hash.
    """

    title: str
    source: str
    kernel: Callable[..., Any]
    reference: Callable[..., Any]
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    params: Mapping[str, Param]
    lookback: Callable[..., int]
    rule: Rule
    example: Example
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    constraint: Callable[..., str | None] | None = None
    events: bool = False
    fills: bool = False
    sweep: WindowSweep | None = None
    outputs_type: Callable[..., tuple[Any, ...]] | None = None
    phase: Callable[..., int] = lambda **params: 1
    state_size: Callable[..., int] | None = None
    input_lookback: Callable[..., int] | None = None
    version: int = 1
    name: str = ""

    def compute_into(
        self,
        inputs: Iterable[Any],
        params: Iterable[Number],
        outputs: Iterable[Any],
        state: Any = None,
        start: int = 0,
    ) -> None:
        """Call the kernel; inputs, parameters and outputs come in the declared orders.

        Args:
            state: of a recursive indicator; it comes out as the last bar leaves it.
            start: the first bar that the state has not seen.
        """
        self.kernel(*inputs, *self.arguments(params, outputs, state, start))

    def arguments(
        self, params: Iterable[Number], outputs: Iterable[Any], state: Any = None, start: int = 0
    ) -> tuple[Any, ...]:
        """The kernel's arguments behind its inputs, as `compute_into` has them."""
        written = [*outputs] if self.state_size is None else [*outputs, state]
        if self.outputs_type is not None:
            written = [self.outputs_type(*written)]
        return *params, *written, *([] if self.input_lookback is None else [start])

    def reach(self, params: Mapping[str, Number]) -> int:
        """The number of bars before a bar that its value is made with, besides what its phase adds."""
        if self.state_size is None:
            return self.lookback(**params)
        return self.input_lookback(**params) if self.input_lookback else 0

    @property
    def selectable_inputs(self) -> dict[str, tuple[str, ...]]:
        """The inputs that may take one of several columns; the others are fixed and never asked for."""
        return {name: columns for name, columns in self.inputs.items() if len(columns) > 1}


@dataclass(frozen=True)
class RuleFamily:
    """One way to read long and short from an indicator's outputs and the candle.

    `kernel(*columns, *outputs, *params, start, long, short)` writes two bits a bar from the bar `start` on, eight
    to an octet (see `kernels.comparisons`), and zeros past the last bar; a NaN gives neither. `params` says what
    each parameter means; its bounds and default are the indicator's. `lookback(**params)` is how many bars of
    output before a bar the rule reads.
    """

    title: str
    meaning: str
    kernel: Callable[..., Any]
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[str, str] = field(default_factory=dict)
    lookback: Callable[..., int] = lambda **params: 0
    name: str = ""
