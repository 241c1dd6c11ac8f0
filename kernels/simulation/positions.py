"""The bars on which the positions of a base variant open and close, found a word of 64 bars at a time.

Without stops no trade depends on money, so the signals alone say whether a position is open after each bar:

    exits on neutral     the position is the signal
    exits on opposite    the position is the last signal there was: set by one plane, reset by the other
    exits of their own   set by a fresh entry, reset by an exit

A position opens, closes or turns where that changes. A search for one event after the other would wait at the end
of every search for a branch that was guessed wrong: two a trade, half of the 23 ns that a trade took.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, popcount, trailing_zeros
from kernels.jit import inline
from kernels.simulation.accounts import LONG, LONG_SHORT, NEUTRAL, SHORT, SHORT_ONLY
from kernels.simulation.final_signals import (
    LONG_EXITS,
    LONGS,
    NONE,
    SHORT_EXITS,
    SHORTS,
    fresh_entries,
    has_own_exits,
    next_bar,
)

_ONE, _TWO = np.uint64(1), np.uint64(2)
_TOP = np.uint64(WORD_BITS - 1)

_AT_ONCE = 4
"""Changes of a word that are written without a question whether they are there."""


class Positions(NamedTuple):
    """Room for the positions of some variants, a row each, and for the steps towards them."""

    changes: NDArray[np.uint64]
    """A bit for each bar: a position opens, closes or turns there."""
    places: NDArray[np.uint32]
    """The places of the words that have any changes."""
    kept: NDArray[np.uint64]
    """The words at those places."""
    change_bars: NDArray[np.uint32]
    bars: NDArray[np.uint32]
    """A row is entry, exit, entry, exit and so on."""
    sides: NDArray[np.float64]
    """The side of each position of a row, where both are allowed."""


@inline
def room_for_positions(n_bars, n_variants):
    # Unsigned numbers, so that compiled code need not ask whether an index counts from the end.
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
    """Write the positions of a variant into a row; return their number, and whether the bars' end closes the
    last one."""
    changes, bars = room.changes, room.bars[row]
    own, other = (SHORTS, LONGS) if rules.direction == SHORT_ONLY else (LONGS, SHORTS)
    both = rules.direction == LONG_SHORT
    if has_own_exits(final):
        entries = fresh_entries(final, n_bars - 1, rules.direction)
        if both:
            return _positions_with_exits(final, entries, n_bars - 1, bars, room.sides[row])
        _latch(entries, final[SHORT_EXITS if own == SHORTS else LONG_EXITS], changes)
    elif rules.exit_on == NEUTRAL:
        _edges(final[own], changes)
        if both:
            _add_edges(final[other], changes)
    else:
        _latch(final[own], final[other], changes)
        if both:
            _add_first(final[LONGS], final[SHORTS], changes)
    # Where the bars end in a signal, the zeros after them would be an edge.
    changes[-1] &= ~NONE >> np.uint64(changes.size * WORD_BITS - n_bars)
    last = n_bars - 1
    if both:
        count = _list_bits(room, room.change_bars)
        return _pair(final, rules.exit_on, room.change_bars, count, last, bars, room.sides[row])
    count = _list_bits(room, bars)
    ended = count % 2 == 1 and bars[count - 1] != last
    if ended:
        bars[count] = last
        count += 1
    # An odd one is an entry on the last bar, and none may open there.
    return count // 2, ended


@inline
def _positions_with_exits(final, entries, last, bars, sides):
    """Go from each entry to the first bar that closes it, and from there to the next entry, maybe on that bar."""
    place, ended = np.int64(0), False
    bar = next_bar(entries, NONE, 0)
    while bar <= last and not ended:
        is_long = _bit(final[LONGS], np.uint64(bar)) != NONE
        exit_bar = next_bar(final[LONG_EXITS if is_long else SHORT_EXITS], NONE, bar + 1)
        if exit_bar > last:
            exit_bar, ended = np.int64(last), True
        bars[2 * place], bars[2 * place + 1] = np.uint32(bar), np.uint32(exit_bar)
        sides[place] = LONG if is_long else SHORT
        place += 1
        bar = next_bar(entries, NONE, exit_bar)
    return place, ended


@inline
def _edges(plane, out):
    """Write the bits that differ from the bit before."""
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
    """Write the edges of positions that one plane opens and the other closes.

    A position stays open through its bars as a carry runs through the digits of a sum: it begins where both digits
    are 1, goes on where one is, and ends where none is. So one addition does 64 bars. The sum without the carry
    tells whether a carry leaves the word: to wait for the sum with it takes 16 µs a year of minutes.
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
    """Add the first signal's edge: it opens a position also where it is a short, which closes none."""
    for word in range(out.size):
        signals = longs[word] | shorts[word]
        if signals != NONE:
            out[word] |= signals & ~(signals - _ONE)
            return


@inline
def _list_bits(room, bars):
    """Write the bars of the changes; return how many.

    First the words with any, then their bits, the first four without a branch: most words have none, some one or
    two, and a branch on that would be guessed wrong.
    """
    changes, places, kept = room.changes, room.places, room.kept
    n_kept = NONE
    for word in range(changes.size):
        places[n_kept] = np.uint32(word)
        kept[n_kept] = changes[word]
        n_kept += _ONE if changes[word] != NONE else NONE
    count = NONE
    for index in range(n_kept):
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
def _pair(final, exit_on, changes, count, last, bars, sides):
    """Write the positions between one change and the next; return as `find_positions` does."""
    longs, shorts = final[LONGS], final[SHORTS]
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
        # Written always, kept where there is a position: a branch on that would be guessed wrong too.
        bars[_TWO * place], bars[_TWO * place + _ONE] = changes[index], changes[index + 1]
        sides[place] = side
        place += _ONE if side != 0.0 else NONE
        side = -side
    return np.int64(place), ended and side != 0.0
