"""When the positions of a base variant open and close: over all bars at once, a word at a time.

Without stops no trade depends on money, so whether a position is open after each bar follows from the signals:

    exits on neutral     the position is the signal
    exits on opposite    the position is the last signal there was: set by one plane, reset by the other

Where that changes, one opens, closes or turns. To search for one event after the other instead waits, at the end
of every search, for a branch that was guessed wrong: two a trade, half of the 23 ns that a trade took.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kernels.bits import WORD_BITS, popcount, trailing_zeros
from kernels.jit import inline
from kernels.simulation.accounts import LONG, LONG_SHORT, NEUTRAL, SHORT, SHORT_ONLY
from kernels.simulation.final_signals import LONGS, NONE, SHORTS

_ONE, _TWO = np.uint64(1), np.uint64(2)
_TOP = np.uint64(WORD_BITS - 1)

_AT_ONCE = 4
"""Changes of a word that are written without asking whether they are there."""


class Positions(NamedTuple):
    """Room for the positions of some variants, a row each, and for the steps towards them.

    A row of `bars` is entry, exit, entry, exit; one of `sides` what each position is, where both are allowed.
    """

    words: Any
    places: Any
    kept: Any
    changes: Any
    bars: Any
    sides: Any


@inline
def room_for_positions(n_bars, n_variants):
    # Unsigned, so that compiled code need not ask whether an index counts from the end.
    n_words = (n_bars + WORD_BITS - 1) // WORD_BITS
    return Positions(
        np.empty(n_words, np.uint64),
        np.empty(n_words + 1, np.uint32),
        np.empty(n_words + 1, np.uint64),
        np.empty(n_bars + 1 + _AT_ONCE, np.uint32),
        np.empty((n_variants, 2 * n_bars + _AT_ONCE), np.uint32),
        np.empty((n_variants, n_bars)),
    )


@inline
def find_positions(final, n_bars, rules, room, row):
    """Write the positions of a variant into a row; return how many, and whether the bars' end closes the last."""
    words, places, kept, changes, bars, sides = room
    own, other = (SHORTS, LONGS) if rules.direction == SHORT_ONLY else (LONGS, SHORTS)
    both = rules.direction == LONG_SHORT
    if rules.exit_on == NEUTRAL:
        _edges(final[own], words)
        if both:
            _add_edges(final[other], words)
    else:
        _latch(final[own], final[other], words)
        if both:
            _add_first(final[LONGS], final[SHORTS], words)
    # Where the bars end in a signal, the zeros after them would be an edge.
    words[-1] &= ~NONE >> np.uint64(words.size * WORD_BITS - n_bars)
    if both:
        count = _list_bits(words, places, kept, changes)
        return _pair(final[LONGS], final[SHORTS], rules.exit_on, changes, count, n_bars - 1, bars[row], sides[row])
    count = _list_bits(words, places, kept, bars[row])
    ended = count % 2 == 1 and bars[row, count - 1] != n_bars - 1
    if ended:
        bars[row, count] = n_bars - 1
        count += 1
    # An odd one is an entry on the last bar, which there is not.
    return count // 2, ended


@inline
def _edges(plane, out):
    """The bits that differ from the bit before."""
    out[0] = plane[0] ^ plane[0] << _ONE
    now, before, later = plane[1:], plane[:-1], out[1:]
    for word in range(later.size):
        later[word] = now[word] ^ (now[word] << _ONE | before[word] >> _TOP)


@inline
def _add_edges(plane, out):
    out[0] |= plane[0] ^ plane[0] << _ONE
    now, before, later = plane[1:], plane[:-1], out[1:]
    for word in range(later.size):
        later[word] |= now[word] ^ (now[word] << _ONE | before[word] >> _TOP)


@inline
def _latch(opening, closing, out):
    """The edges of what one plane sets and the other resets.

    A position stays open through its bars as a carry runs through the digits of a sum: it is begun where both
    digits are 1, goes on where one is, and ends where none is. So an addition does 64 bars. Whether a carry leaves
    the word is told from the sum without it: to wait for the sum with it is 16 µs a year of minutes.
    """
    carry = NONE
    for word in range(out.size):
        opens, keeps = opening[word], ~closing[word]
        total = opens + keeps
        before = total + carry ^ opens ^ keeps
        out[word] = (opens | keeps & before) ^ before
        leaves, passes = np.uint64(total < opens), np.uint64(total == ~NONE)
        carry = leaves | passes & carry


@inline
def _add_first(longs, shorts, out):
    """The first signal opens also where it is a short, which resets what was not set."""
    for word in range(out.size):
        signals = longs[word] | shorts[word]
        if signals != NONE:
            out[word] |= signals & ~(signals - _ONE)
            return


@inline
def _list_bits(words, places, kept, bars):
    """Write the bars of the bits that are set; return how many.

    First the words with any, then their bits, the first four without a branch: most words have none, some one or
    two, and which is which cannot be foreseen.
    """
    found = NONE
    for word in range(words.size):
        places[found] = np.uint32(word)
        kept[found] = words[word]
        found += _ONE if words[word] != NONE else NONE
    count = NONE
    for index in range(found):
        events = kept[index]
        bar = np.uint64(places[index]) * np.uint64(WORD_BITS)
        behind = count + popcount(events)
        for at in range(_AT_ONCE):
            bars[count + np.uint64(at)] = np.uint32(bar + trailing_zeros(events))
            events &= events - _ONE
        count += np.uint64(_AT_ONCE)
        while events != NONE:
            bars[count] = np.uint32(bar + trailing_zeros(events))
            events &= events - _ONE
            count += _ONE
        count = behind
    return np.int64(count)


@inline
def _bit(plane, bar):
    return plane[bar // np.uint64(WORD_BITS)] >> bar % np.uint64(WORD_BITS) & _ONE


@inline
def _pair(longs, shorts, exit_on, changes, count, last, bars, sides):
    """Write the positions between one change and the next, where there is one; return as `find_positions`."""
    ended = count > 0 and changes[count - 1] != last
    if ended:
        changes[count] = last
        count += 1
    side = LONG if count and _bit(longs, np.uint64(changes[0])) else SHORT
    place = NONE
    for index in range(count - 1):
        bar = np.uint64(changes[index])
        if exit_on == NEUTRAL:
            side = np.float64(_bit(longs, bar)) - np.float64(_bit(shorts, bar))
        # Written always, kept where it is one: which is which cannot be foreseen either.
        bars[_TWO * place], bars[_TWO * place + _ONE] = changes[index], changes[index + 1]
        sides[place] = side
        place += _ONE if side != 0.0 else NONE
        side = -side
    return np.int64(place), ended and side != 0.0
