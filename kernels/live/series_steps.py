"""Steps of many series on one more bar each: indicators, their rules, and what reads both, all in compiled code.

Nothing here knows any indicator: windowed ones are computed anew over the last bars, recursive ones go on from
their state, as in `kernels.advance`, whose series come here when they have caught up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import carray, from_dtype, types
from numpy.typing import NDArray

from kernels.advance import BarWindow, GrowingSeries, GrowingSignal, SeriesState
from kernels.copying import copy
from kernels.jit import FLOAT, INT, WORD, WORDS, inline, jit, pointer_to
from kernels.live.calls import ARRAY_SLOTS, DATA_AT, SHAPE_AT, SIZE_AT, address_of, call_at, leaves_of, slots_of

_MOST = 8
"""Arrays of one kind that a kernel has at most."""

NODE = np.dtype(
    [
        ("window", np.uint64),
        ("call", np.uint64),
        ("arguments", np.uint64),
        ("inputs", np.int64),
        ("outputs", np.int64),
        ("first_output", np.int64),
        ("start", np.int64),
        ("fills", np.int64),
        ("reach", np.int64),
        ("phase", np.int64),
        ("seen", np.int64),
        ("values", np.int64),
        ("value", np.uint64),
        ("rule_call", np.uint64),
        ("rule_arguments", np.uint64),
        ("columns", np.int64),
        ("read", np.int64),
        ("rule_start", np.int64),
        ("lookback", np.int64),
        ("kept", np.uint64),
        ("kept_room", np.int64),
        ("kept_stop", np.int64),
        ("octets", np.uint64),
        ("known_after", np.int64),
        ("flags", np.int64),
        ("flag", np.uint64),
        ("input_rows", np.int64, (_MOST,)),
        ("column_rows", np.int64, (_MOST,)),
        ("output_read", np.int64, (_MOST,)),
    ]
)
"""A series and its rule, with the addresses of all that they read and write; without a `call`, columns of candles.

A `value` is an output, where it goes, and where the one before it goes. A `flag` is a side, where it goes that it
holds, and where that it is known not to; it is known when more bars than `known_after` were seen.
"""

_ints, _floats, _words, _octets = (pointer_to(kind) for kind in (INT, FLOAT, WORD, types.uint8))
_nodes = pointer_to(from_dtype(NODE))


class Value(NamedTuple):
    """A value that is written on every bar: an output by its number, or a row of the candles."""

    number: int
    now: int
    before: int
    """Addresses of floats."""


class Flag(NamedTuple):
    """A side of a rule, 0 for long, and the addresses of words that are 1 where it holds, where it does not."""

    side: int
    holds: int
    fails: int


class SeriesStep:
    """A series that goes on by single bars of a window, with the signal of its rule; or columns of the window."""

    def __init__(self, growing: GrowingSeries | GrowingSignal | None) -> None:
        self._node = np.zeros(1, NODE)
        self._kept: dict[str, NDArray[Any]] = {}
        """Everything that lies at its addresses."""
        self._set(phase=1)
        signal = growing if isinstance(growing, GrowingSignal) else None
        series = growing.series if isinstance(growing, GrowingSignal) else growing
        if series is not None:
            self._lay_out(series)
        if signal is not None:
            self._lay_out_rule(signal)

    @property
    def address(self) -> int:
        return int(self._node.ctypes.data)

    @property
    def earlier_bars(self) -> int:
        """The bars that the next step reads before the new one."""
        node = self._node[0]
        first = max(0, int(node["seen"] - node["reach"]))
        return int(node["seen"]) - (first - first % int(node["phase"]))

    @property
    def most_bars(self) -> int:
        """The bars that a step reads at most, the new one among them."""
        return int(self._node["reach"][0] + self._node["phase"][0])

    def saved(self) -> SeriesState:
        """The state that the series it was made of, or its signal, would have now."""
        node = self._node[0]
        kept = None
        if node["rule_call"]:
            columns, stop = int(node["columns"]), int(node["kept_stop"])
            kept = np.empty((int(node["read"]), 0))
            if "kept" in self._kept:
                kept = self._kept["kept"][columns:, max(0, stop - int(node["lookback"])) : stop]
        return SeriesState.of(int(node["seen"]), self._kept.get("state"), kept)

    def read(self, window: BarWindow) -> None:
        """Go on with the next bars of this window."""
        self._set(window=self._address("window", window.place))

    def write_values(self, values: Iterable[Value]) -> None:
        """Write these from the next step on."""
        rows = np.array([*values], np.int64).reshape(-1, 3)
        self._set(values=len(rows), value=self._address("values", rows))

    def write_signal(self, octets: NDArray[np.uint8]) -> None:
        """Write the rule's long and short from the next step on, into the first octet of each row."""
        long, stride = octets.ctypes.data, octets.strides[0]
        arguments, at = self._kept["rule_arguments"], self._octets_at
        arguments[at + DATA_AT], arguments[at + ARRAY_SLOTS + DATA_AT] = long, long + stride

    def write_flags(self, flags: Iterable[Flag], known_after: int) -> None:
        """Write these from the next step on: they are known when more bars were seen."""
        octets = np.zeros((2, 1), np.uint8)
        self.write_signal(octets)
        rows = np.array([*flags], np.int64).reshape(-1, 3)
        self._set(octets=self._address("octets", octets), flags=len(rows), flag=self._address("flags", rows))
        self._set(known_after=known_after)

    def _lay_out(self, series: GrowingSeries) -> None:
        indicator = series.indicator
        slots, firsts = slots_of(leaves_of(indicator.kernel))
        inputs, outputs = len(series.rows), len(indicator.outputs)
        numbers = inputs + len(series.numbers)
        _write_numbers(slots, firsts[inputs:numbers], series.numbers)
        if series.state is not None:
            state, at = series.state.copy(), firsts[numbers + outputs]
            slots[[at + SIZE_AT, at + SHAPE_AT]], slots[at + DATA_AT] = state.size, self._address("state", state)
        self._set(
            call=address_of(indicator.kernel),
            arguments=self._address("arguments", slots),
            inputs=inputs,
            outputs=outputs,
            first_output=firsts[numbers],
            start=-1 if indicator.input_lookback is None else firsts[-1],
            fills=indicator.fills,
            reach=series.reach,
            phase=series.phase,
            seen=series.seen,
        )
        self._node["input_rows"][0, :inputs] = series.rows

    def _lay_out_rule(self, signal: GrowingSignal) -> None:
        slots, firsts = slots_of(leaves_of(signal.family.kernel))
        columns, read = len(signal.rows), len(signal.outputs)
        self._octets_at = firsts[-2]
        _write_numbers(slots, firsts[columns + read : -3], signal.numbers)
        for first in [*firsts[: columns + read], *firsts[-2:]]:
            slots[[first + SIZE_AT, first + SHAPE_AT]] = 1
        if signal.lookback:
            earlier = signal.kept.shape[1]
            kept = np.full((columns + read, 2 * signal.lookback + 8), np.nan)
            kept[columns:, :earlier] = signal.kept
            self._set(kept=self._address("kept", kept), kept_room=kept.shape[1], kept_stop=earlier)
        self._set(
            rule_call=address_of(signal.family.kernel),
            rule_arguments=self._address("rule_arguments", slots),
            columns=columns,
            read=read,
            rule_start=firsts[-3],
            lookback=signal.lookback,
        )
        self._node["column_rows"][0, :columns] = signal.rows
        self._node["output_read"][0, :read] = signal.outputs

    def _set(self, **fields: int) -> None:
        for name, value in fields.items():
            self._node[name] = value

    def _address(self, name: str, array: NDArray[Any]) -> int:
        self._kept[name] = array
        return int(array.ctypes.data)


def address_at(array: NDArray[Any], *place: int) -> int:
    """The address of an element."""
    return int(array.ctypes.data) + sum(step * at for step, at in zip(array.strides, place, strict=True))


def _write_numbers(slots: NDArray[np.int64], places: Sequence[int], numbers: Iterable[float]) -> None:
    for place, number in zip(places, numbers, strict=True):
        # A parameter has its declared type, which is the kernel's.
        slots[place : place + 1].view(type(number))[0] = number


class SeriesSteps:
    """Some of them, to be taken together."""

    def __init__(self, steps: Iterable[SeriesStep]) -> None:
        self._steps = [*steps]
        self.addresses = np.array([step.address for step in self._steps], np.uint64)
        self.most_bars = max((step.most_bars for step in self._steps), default=1)

    @property
    def earlier_bars(self) -> int:
        return max((step.earlier_bars for step in self._steps), default=0)

    def read(self, window: BarWindow) -> None:
        for step in self._steps:
            step.read(window)


def take_steps(together: Sequence[SeriesSteps]) -> None:
    """Take the last bar of each one's window, which is new.

    Raises:
        ValueError: for a window with fewer bars than are read; nothing has changed then.
    """
    addresses = np.concatenate([np.empty(0, np.uint64), *(steps.addresses for steps in together)])
    room = max((steps.most_bars for steps in together), default=1)
    scratch = np.empty((_MOST, room))
    short = _take(addresses, scratch.ctypes.data, room)
    if short:
        raise ValueError(f"windows of {short} series of {addresses.size} have fewer bars than these read")


@inline
def _bars_read(node):
    first = max(0, node.seen - node.reach)
    return node.seen - (first - first % node.phase) + 1


@inline
def _set_array(arguments, at, address, size):
    arguments[at + SIZE_AT], arguments[at + SHAPE_AT], arguments[at + DATA_AT] = size, size, address


@inline
def _column(window, row, bars):
    """The address of the last bars of a row."""
    address, stride, stop = window[0], window[1], window[2]
    return address + 8 * (row * stride + stop - bars)


@inline
def _step_series(node, window, scratch, room):
    bars = _bars_read(node)
    arguments = carray(_ints(node.arguments), 1)
    for at in range(node.inputs):
        _set_array(arguments, ARRAY_SLOTS * at, _column(window, node.input_rows[at], bars), bars)
    for at in range(node.outputs):
        output = scratch + 8 * room * at
        _set_array(arguments, node.first_output + ARRAY_SLOTS * at, output, bars)
        if not node.fills:
            carray(_floats(WORD(output)), bars)[:] = np.nan
    if node.start >= 0:
        arguments[node.start] = bars - 1
    call_at(node.call, node.arguments)
    node.seen += 1
    return scratch + 8 * (bars - 1)


@inline
def _keep(node, at, address):
    """Add a value to those that a rule reads again; return the address of the first that it reads now."""
    row = carray(_floats(node.kept + WORD(8 * node.kept_room * at)), node.kept_room)
    stop = node.kept_stop
    if stop == node.kept_room:
        copy(row[stop - node.lookback : stop], row[: node.lookback])
        stop = node.lookback
    row[stop] = carray(_floats(WORD(address)), 1)[0]
    return INT(node.kept) + 8 * (node.kept_room * at + max(0, stop - node.lookback))


@inline
def _step_rule(node, window, last, room):
    arguments = carray(_ints(node.rule_arguments), 1)
    stop, earlier = node.kept_stop, min(node.kept_stop, node.lookback)
    for at in range(node.columns + node.read):
        if at < node.columns:
            address = _column(window, node.column_rows[at], 1)
        else:
            address = last + 8 * room * node.output_read[at - node.columns]
        if node.lookback:
            address = _keep(node, at, address)
        _set_array(arguments, ARRAY_SLOTS * at, address, earlier + 1)
    if node.lookback:
        node.kept_stop = (node.lookback if stop == node.kept_room else stop) + 1
    arguments[node.rule_start] = earlier
    call_at(node.rule_call, node.rule_arguments)


@inline
def _write_values(node, window, last, room):
    values = carray(_ints(node.value), (node.values, 3))
    for at in range(node.values):
        number = values[at, 0]
        source = last + 8 * room * number if node.call else _column(window, number, 1)
        now = carray(_floats(WORD(values[at, 1])), 1)
        carray(_floats(WORD(values[at, 2])), 1)[0] = now[0]
        now[0] = carray(_floats(WORD(source)), 1)[0]


@inline
def _write_flags(node):
    octets, flags = carray(_octets(node.octets), 2), carray(_ints(node.flag), (node.flags, 3))
    is_known = node.seen > node.known_after
    for at in range(node.flags):
        holds = octets[flags[at, 0]] & np.uint8(1) != 0
        carray(_words(WORD(flags[at, 1])), 1)[0] = WORD(is_known and holds)
        carray(_words(WORD(flags[at, 2])), 1)[0] = WORD(is_known and not holds)


@jit(WORDS, INT, INT)
def _take(nodes, scratch, room):
    """Take all steps, or none; return the number of windows that are too short."""
    short = 0
    for at in range(nodes.size):
        node = carray(_nodes(nodes[at]), 1)[0]
        short += _bars_read(node) > carray(_ints(node.window), 3)[2]
    if short:
        return short
    for at in range(nodes.size):
        node = carray(_nodes(nodes[at]), 1)[0]
        window = carray(_ints(node.window), 3)
        last = scratch
        if node.call:
            last = _step_series(node, window, scratch, room)
        if node.rule_call:
            _step_rule(node, window, last, room)
        if node.values:
            _write_values(node, window, last, room)
        if node.flags:
            _write_flags(node)
    return 0
