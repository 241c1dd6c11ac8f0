"""A strategy, or many of one request, in plain English sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from candleray.backtests.request import ExitOn, StrategyAxes
from candleray.backtests.rules.fill import EntryFill, Fill, Tie
from candleray.backtests.signals.conditions import (
    AllOf,
    AnyOf,
    ConditionNode,
    CrossAbove,
    CrossBelow,
    RuleCondition,
)
from candleray.backtests.signals.nodes import Node
from candleray.backtests.signals.speech import Speech, joined, levels_in_words

Side: TypeAlias = Literal["long", "short"]
SIDES: tuple[Side, ...] = ("long", "short")
_OTHER: Mapping[Side, Side] = {"long": "short", "short": "long"}


def sentences(axes: StrategyAxes) -> tuple[str, ...]:
    """Return what opens and closes positions, a sentence a side, then its stops, size and constraints.

    What is left out of a request is not said; `resolve` fills it in.
    """
    return tuple(_sentences(axes))


def _sentences(axes: StrategyAxes) -> Iterator[str]:
    speech = Speech(axes.let)
    for side in SIDES:
        entry = entry_of(axes, side)
        if entry is not None and axes.direction.value in (f"{side}-only", "long-short"):
            yield f"Opens {side} when {_main_clause(speech, entry)}; {_closing(axes, speech, side)}."
    told = [
        said.format(levels_in_words(axis), window=axes.risk.atr_window)
        for said, field in _STOPS
        if (axis := getattr(axes.risk, field)) is not None
    ]
    if told:
        yield f"Before that, {joined(told, 'or')} closes."
    if axes.sizing.words:
        (parts,) = axes.sizing.axes.values()
        yield axes.sizing.words.format(parts=levels_in_words(parts), **dict(axes.sizing))
    yield from _fills(axes.fill)
    if axes.where:
        yield f"Only where {joined([f'{left} {sign} {right}' for left, sign, right in axes.where], 'and')}."


def _fills(fill: Fill) -> Iterator[str]:
    if fill.entry is EntryFill.NEXT_OPEN:
        yield "Signals fill at the open of the next bar."
    if fill.looks_inside:
        first = "stop-loss" if fill.tie is Tie.STOP_FIRST else "take-profit"
        yield f"Levels fill inside bars, by the minute; a minute that touches both is a {first}."


_STOPS = (
    ("a stop-loss of {} %", "sl_pct"),
    ("a stop-loss of {} times the average true range of {window} bars", "sl_atr"),
    ("a trailing stop of {} %", "trail_pct"),
    ("a take-profit of {} %", "tp_pct"),
    ("a take-profit of {} times the average true range of {window} bars", "tp_atr"),
    ("the close {} bars after the signal", "max_bars"),
)


def entry_of(axes: StrategyAxes, side: Side) -> ConditionNode | None:
    """Return the condition that opens positions of a side; of `indicators`, that all their rules say so."""
    if axes.signals is not None:
        entry: ConditionNode | None = getattr(axes.signals, f"{side}_entry")
        return entry
    rules = tuple(rule_of(axes, at, side) for at in range(len(axes.indicators)))
    return AllOf.model_construct(all=rules)


def rule_of(axes: StrategyAxes, at: int, side: Side) -> RuleCondition:
    """Return one side of an indicator of `indicators`, as a condition."""
    one = axes.indicators[at]
    return RuleCondition.model_construct(
        rule=one.id, side=side, inputs=one.inputs, params=one.params, signal=one.signal
    )


def _main_clause(speech: Speech, entry: ConditionNode) -> str:
    """Say an entry: what happens first, then what must be so meanwhile."""
    parts = entry.all if isinstance(entry, AllOf) else (entry,)
    events = [part for part in parts if _happens(part)]
    states = [part for part in parts if part not in events]
    if not events or not states:
        return speech.condition(entry)
    happens, holds = (joined([speech.clause(part) for part in some], "and") for some in (events, states))
    return f"{happens}, while {holds}"


def _happens(part: Node) -> bool:
    """Tell if a condition is of single bars."""
    if isinstance(part, AnyOf):
        return all(map(_happens, part.any))
    return isinstance(part, CrossAbove | CrossBelow)


def _closing(axes: StrategyAxes, speech: Speech, side: Side) -> str:
    own = getattr(axes.signals, f"{side}_exit", None)
    if own is not None:
        return f"closes when {_main_clause(speech, own)}"
    if axes.exit_on is ExitOn.NEUTRAL:
        return "closes when that is no longer so"
    opposite = entry_of(axes, _OTHER[side])
    if opposite is None:
        return "no signal closes it"
    if axes.direction.value == "long-short":
        return f"closes when the {_OTHER[side]} entry's condition is true"
    return f"closes when {_main_clause(speech, opposite)}"
