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
from kernels.simulation.exits import EXIT_GAP, EXIT_LAST_BAR, EXIT_SIGNAL
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
    fresh: NDArray[np.uint64]
    """The signals between two gaps; empty where there is none."""


@inline
def room_for_positions(prices, n_variants):
    n_bars = prices.close.size
    # Unsigned numbers, so that compiled code need not ask whether an index counts from the end.
    n_words = (n_bars + WORD_BITS - 1) // WORD_BITS
    return Positions(
        np.empty(n_words, np.uint64),
        np.empty(n_words + 1, np.uint32),
        np.empty(n_words + 1, np.uint64),
        np.empty(n_bars + 1 + _AT_ONCE, np.uint32),
        np.empty((n_variants, 2 * n_bars + _AT_ONCE), np.uint32),
        np.empty((n_variants, n_bars)),
        np.empty(4 * n_words if prices.gaps.size else 0, np.uint64),
    )


@inline
def find_positions(final, prices, rules, room, row):
    """Write the positions of a variant into a row; return their number.

    Between two gaps they are those of a search of its own, whose last bar is the one before the gap.
    """
    gaps = prices.gaps
    bars, sides = room.bars[row], room.sides[row]
    signals, first, count = final, np.int64(0), np.int64(0)
    for part in range(gaps.size + 1):
        last = gaps[part] if part < gaps.size else prices.close.size - 1
        if gaps.size:
            signals = _between_gaps(final, first, last, room.fresh)
        skipped = first // WORD_BITS * WORD_BITS
        found = _find(signals, last + 1 - skipped, rules, room, bars[2 * count :], sides[count:])
        if skipped:
            for place in range(2 * count, 2 * (count + found)):
                bars[place] += np.uint32(skipped)
        first, count = last + 1, count + found
    return count


@inline
def _between_gaps(final, first, last, space):
    """The words of the bars from `first` to `last`, with their signals alone.

    An entry's signal that only goes on from the bar before, the other side of the gap, is none: it is not fresh.
    """
    begin, stop = first // WORD_BITS, last // WORD_BITS + 1
    rows = final.shape[0]
    signals = space[: rows * (stop - begin)].reshape(rows, stop - begin)
    for row in range(rows):
        since = first
        if row <= SHORTS and first > 0 and _bit(final[row], np.uint64(first - 1)):
            since = next_bar(final[row], ~NONE, first)
        for word in range(begin, stop):
            bar = word * WORD_BITS
            bits = final[row, word]
            if since > bar:
                bits = bits & ~NONE << np.uint64(since - bar) if since - bar < WORD_BITS else NONE
            if last - bar < WORD_BITS:
                bits &= ~NONE >> np.uint64(WORD_BITS - 1 - (last - bar))
            signals[row, word - begin] = bits
    return signals


@inline
def _find(final, n_bars, rules, room, bars, sides):
    """Write the positions that these signals alone make; return their number."""
    changes = room.changes[: final.shape[1]]
    own, other = (SHORTS, LONGS) if rules.direction == SHORT_ONLY else (LONGS, SHORTS)
    both = rules.direction == LONG_SHORT
    if has_own_exits(final):
        entries = fresh_entries(final, n_bars - 1, rules.direction)
        if both:
            return _positions_with_exits(final, entries, n_bars - 1, bars, sides)
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
        count = _list_bits(changes, room, room.change_bars)
        return _pair(final, rules.exit_on, room.change_bars, count, last, bars, sides)
    count = _list_bits(changes, room, bars)
    if count % 2 == 1 and bars[count - 1] != last:
        bars[count] = last
        count += 1
    # An odd one is an entry on the last bar, and none may open there.
    return count // 2


@inline
def ends_a_part(prices, bar):
    """Tell if no position is held beyond that bar: it is the last one, or the last before a gap."""
    at = np.searchsorted(prices.gaps, bar)
    return bar == prices.close.size - 1 or (at < prices.gaps.size and prices.gaps[at] == bar)


@inline
def exit_reason(final, side, bar, prices, exit_on):
    """The reason of an exit at that bar which is no ruin."""
    if _closes(final, side, np.uint64(bar), exit_on) and not (prices.fills.delay and ends_a_part(prices, bar)):
        return EXIT_SIGNAL
    return EXIT_LAST_BAR if bar == prices.close.size - 1 else EXIT_GAP


@inline
def _closes(final, side, bar, exit_on):
    """Tell if the signals close a position on that bar."""
    if has_own_exits(final):
        return _bit(final[LONG_EXITS if side == LONG else SHORT_EXITS], bar) != NONE
    own, other = (LONGS, SHORTS) if side == LONG else (SHORTS, LONGS)
    return _bit(final[own], bar) == NONE if exit_on == NEUTRAL else _bit(final[other], bar) != NONE


@inline
def _positions_with_exits(final, entries, last, bars, sides):
    """Go from each entry to the first bar that closes it, and from there to the next entry, maybe on that bar.

    Return the number of positions.
    """
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
    return place


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
def _list_bits(changes, room, bars):
    """Write the bars of the changes; return how many.

    First the words with any, then their bits, the first four without a branch: most words have none, some one or
    two, and a branch on that would be guessed wrong.
    """
    places, kept = room.places, room.kept
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
    """Write the positions between one change and the next; return their number."""
    longs, shorts = final[LONGS], final[SHORTS]
    if count > 0 and changes[count - 1] != last:
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
    return np.int64(place)
