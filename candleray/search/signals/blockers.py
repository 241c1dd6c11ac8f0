"""The conditions to blame where a side never opens a position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

import numpy as np

from candleray.backtests.explanation import Blocker
from candleray.backtests.sentences import Side
from candleray.backtests.signals.conditions import AllOf, AnyOf
from candleray.backtests.signals.speech import Speech
from candleray.search.signals.truths import Truth
from kernels.pairs import HOLDS


def blockers_of(truths: Mapping[str, Truth], side: Side, bars: int, speech: Speech) -> Iterator[Blocker]:
    """Yield what keeps a side from opening on any bar."""
    entry = truths[f"{side}_entry"]
    if not entry.true_bars:
        yield from _never_true(entry, bars, speech)
        return
    held = entry.flags(bars)
    other = truths.get(f"{'short' if side == 'long' else 'long'}_entry")
    final = held if other is None else held & ~other.flags(bars)
    if other is not None and not final.any():
        yield _blocker(other, speech, f"true on each of the {held.sum()} bars on which the {side} entry is true")
        return
    fresh = final & ~np.concatenate([[False], final[:-1]])
    closing = truths.get(f"{side}_exit")
    if closing is not None and not (fresh & ~closing.flags(bars)).any():
        yield _blocker(closing, speech, f"true on each of the {fresh.sum()} bars on which the {side} entry begins")
        return
    yield _blocker(entry, speech, "becomes true only on the last bar, or before a long hole: these open nothing")


def _never_true(truth: Truth, bars: int, speech: Speech) -> Iterator[Blocker]:
    """Yield the parts to blame for a condition that is true on no bar."""
    if isinstance(truth.node, AnyOf):
        for part in truth.parts:
            yield from _never_true(part, bars, speech)
    elif isinstance(truth.node, AllOf) and len(truth.parts) > 1:
        yield from _never_together(truth, bars, speech)
    elif isinstance(truth.node, AllOf) and truth.parts:
        yield from _never_true(truth.parts[0], bars, speech)
    elif not truth.false_bars:
        yield _blocker(truth, speech, f"can be told on none of the {bars} bars: a value that it reads is missing")
    else:
        yield _blocker(truth, speech, f"true on none of the {bars} bars")


def _never_together(truth: Truth, bars: int, speech: Speech) -> Iterator[Blocker]:
    """Yield the parts of an `all`: those that are never true, else each without which it would be true."""
    without = [_true_together(truth.parts[:at] + truth.parts[at + 1 :]) for at in range(len(truth.parts))]
    never = [at for at, part in enumerate(truth.parts) if not part.true_bars]
    for at in never:
        for blocker in _never_true(truth.parts[at], bars, speech):
            yield blocker.model_copy(update={"message": blocker.message + _left(without[at])})
    if never:
        return
    alone = [at for at, left in enumerate(without) if left]
    for at in alone:
        part = truth.parts[at]
        message = f"true on {part.true_bars} bars, on none of them with the others" + _left(without[at])
        yield _blocker(part, speech, message)
    if not alone:
        yield _blocker(truth, speech, "its parts are never all true on one bar, nor are all but one of them")


def _true_together(parts: Sequence[Truth]) -> int:
    return int(np.bitwise_count(reduce(np.bitwise_and, [part.pair[HOLDS] for part in parts])).sum())


def _left(bars: int) -> str:
    return f"; without it the others are true on {bars}" if bars else ""


def _blocker(truth: Truth, speech: Speech, message: str) -> Blocker:
    return Blocker(path=truth.path, words=speech.condition(truth.node), message=message)
