"""The fresh entries of a base variant, and what each of them ends by: by its signal and at every stop level.

What an entry ends by is one number: bar of the exit, reason, and the place in the list of the next entry that can
follow. Bars come first in it, and reasons are numbered by precedence, so that the least of several such numbers is
what the rules of trading say (R4.4, R4.6).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, popcount, trailing_zeros
from kernels.jit import inline
from kernels.simulation.accounts import LONG, LONG_SHORT, NEUTRAL, SHORT
from kernels.simulation.entry_bars import row_of
from kernels.simulation.final_signals import EVERY, LONGS, NONE, SHORTS, fresh_entries, next_bar
from kernels.simulation.first_passages import BLOCK_LEVELS, passages_at
from kernels.simulation.trades import EXIT_LAST_BAR, EXIT_SIGNAL, EXIT_STOP_LOSS, EXIT_TAKE_PROFIT

_PLACE_BITS, _REASON_BITS = 32, 2
_PLACE = (1 << _PLACE_BITS) - 1
_REASON = (1 << _REASON_BITS) - 1


class Entries(NamedTuple):
    """The fresh entries of a base variant, in order; `words` marks their bars, with `before` each how many."""

    words: NDArray[np.uint64]
    before: NDArray[np.int64]
    bars: NDArray[np.int64]
    sides: NDArray[np.float64]
    rows: NDArray[np.int64]
    """Where the tables of stops are about them."""
    ends: NDArray[np.int64]
    """What they end by without a stop."""


@inline
def bar_of(end):
    return end >> (_PLACE_BITS + _REASON_BITS)


@inline
def reason_of(end):
    return end >> _PLACE_BITS & _REASON


@inline
def place_of(end):
    """The place in the list of the first entry that can follow."""
    return end & _PLACE


@inline
def _places(entries):
    """How many entries lie before each word, and how many there are."""
    before = np.empty(entries.size, np.int64)
    count = np.int64(0)
    for word in range(entries.size):
        before[word] = count
        count += np.int64(popcount(entries[word]))
    return before, count


@inline
def _end(bar, reason, word, before_word):
    """What an entry ends by, as one number; `word` is the entries' word of that bar."""
    place = before_word + np.int64(popcount(word & ~(EVERY << np.uint64(bar % WORD_BITS))))
    return (bar << _REASON_BITS | reason) << _PLACE_BITS | place


@inline
def _list_entries(final, entries, last, exit_on, before, bars, sides, ends):
    """Write the list of entries: their bars, their sides, and what they end by without any stop."""
    longs, shorts = final[LONGS], final[SHORTS]
    flip = EVERY if exit_on == NEUTRAL else NONE
    long_ending, short_ending = (longs, shorts) if exit_on == NEUTRAL else (shorts, longs)
    long_exit = short_exit = place = 0
    for word in range(entries.size):
        events = entries[word]
        while events != NONE:
            bit = trailing_zeros(events)
            events &= events - np.uint64(1)
            bar = word * WORD_BITS + np.int64(bit)
            # The first exit after an entry is the first after a later one too, until that is past it.
            if longs[word] >> bit & np.uint64(1):
                if long_exit <= bar:
                    long_exit = next_bar(long_ending, flip, bar + 1)
                side, exit_bar = LONG, long_exit
            else:
                if short_exit <= bar:
                    short_exit = next_bar(short_ending, flip, bar + 1)
                side, exit_bar = SHORT, short_exit
            reason = EXIT_SIGNAL
            if exit_bar > last:
                exit_bar, reason = last, EXIT_LAST_BAR
            bars[place], sides[place] = bar, side
            there = exit_bar // WORD_BITS
            ends[place] = _end(exit_bar, reason, entries[there], before[there])
            place += 1


@inline
def _gather_block(tables, n_sides, n_rows, rows, sides, ends):
    """Write the bars at which the levels of one block stop the entries; the number of bars for never.

    Twice over the entries: the first level alone has many rows of the table under way at once, and the others find
    them in the cache; 10 % of a search. And no branch on what is read: one that is guessed wrong throws away the
    reads behind it.
    """
    n_levels = ends.shape[0]
    for place in range(rows.size):
        table = passages_at(tables[np.int64(sides[place] == SHORT) * (n_sides - 1)], n_rows, n_levels)
        ends[0, place] = table[rows[place], 0]
    for place in range(rows.size):
        table = passages_at(tables[np.int64(sides[place] == SHORT) * (n_sides - 1)], n_rows, n_levels)
        for level in range(1, n_levels):
            ends[level, place] = table[rows[place], level]


@inline
def _pack_ends(reason, entries, last, first, count, ends):
    """Make what entries end by, at a level or by their signal, of the bars at which the level stops them."""
    for level in range(ends.shape[0]):
        for place in range(count):
            bar = ends[level, place]
            word = min(bar, last) // WORD_BITS
            stopped = _end(bar, reason, entries.words[word], entries.before[word])
            ends[level, place] = min(entries.ends[first + place], stopped)


@inline
def _gather_kind(tables, n_levels, reason, entries, first, count, last, n_sides, ends):
    """Write what some entries end by at all levels of one kind; return the number of tables read."""
    rows, sides = entries.rows[first : first + count], entries.sides[first : first + count]
    read = 0
    for level in range(0, n_levels, BLOCK_LEVELS):
        block = ends[level : min(level + BLOCK_LEVELS, n_levels)]
        _gather_block(tables[read:], n_sides, last + 1, rows, sides, block)
        read += n_sides
    _pack_ends(reason, entries, last, first, count, ends)
    return read


@inline
def _gather_level(tables, level, n_levels, reason, entries, last, n_sides, ends):
    """Write what the entries end by at one level of a kind: of its block, each row's column alone is read."""
    rows, sides = entries.rows, entries.sides
    first = level // BLOCK_LEVELS * BLOCK_LEVELS
    width = min(BLOCK_LEVELS, n_levels - first)
    block = tables[first // BLOCK_LEVELS * n_sides :]
    for place in range(rows.size):
        table = passages_at(block[np.int64(sides[place] == SHORT) * (n_sides - 1)], last + 1, width)
        ends[0, place] = table[rows[place], level - first]
    _pack_ends(reason, entries, last, 0, rows.size, ends)


@inline
def list_entries(final, marks, rows_before, last, rules):
    """The fresh entries of a base variant."""
    words = fresh_entries(final, last, rules.direction)
    before, count = _places(words)
    bars, sides, ends = np.empty(count, np.int64), np.empty(count), np.empty(count, np.int64)
    _list_entries(final, words, last, rules.exit_on, before, bars, sides, ends)
    rows = np.empty(count, np.int64)
    for place in range(count):
        rows[place] = row_of(marks, rows_before, sides[place], bars[place])
    return Entries(words, before, bars, sides, rows, ends)


@inline
def gather(entries, first, count, stops, last, rules, ends):
    """Write what so many entries from `first` on end by at the latest, in row 0 by their signal, in the others by
    their signal or that level: of all stop-losses, then of all take-profits."""
    tables, stop_losses, take_profits, _, _ = stops
    n_sides = 2 if rules.direction == LONG_SHORT else 1
    ends[0, :count] = entries.ends[first : first + count]
    given = entries, first, count, last, n_sides
    read = _gather_kind(tables, stop_losses, EXIT_STOP_LOSS, *given, ends[1 : 1 + stop_losses])
    _gather_kind(tables[read:], take_profits, EXIT_TAKE_PROFIT, *given, ends[1 + stop_losses :])


@inline
def gather_under(entries, stops, combination, last, rules, ends):
    """As `gather` of all entries, under one combination of the levels: its stop-loss in row 1, its take-profit in
    row 2. Where a kind has no levels, its row is that without a stop."""
    tables, stop_losses, take_profits, _, _ = stops
    n_sides = 2 if rules.direction == LONG_SHORT else 1
    stop_loss, take_profit = divmod(combination, max(1, take_profits))
    for row in range(3):
        ends[row] = entries.ends
    given = entries, last, n_sides
    if stop_losses:
        _gather_level(tables, stop_loss, stop_losses, EXIT_STOP_LOSS, *given, ends[1:2])
    if take_profits:
        profits = tables[-(-stop_losses // BLOCK_LEVELS) * n_sides :]
        _gather_level(profits, take_profit, take_profits, EXIT_TAKE_PROFIT, *given, ends[2:])
