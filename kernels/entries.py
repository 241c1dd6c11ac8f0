"""The fresh entries of a base variant, and what each of them ends by: by its signal and at every stop level.

What an entry ends by is one number: bar of the exit, reason, and the place in the list of the next entry that can
follow. Bars come first in it, and reasons are numbered by precedence, so that the least of several such numbers is
what the rules of trading say (R4.4, R4.6).
"""

from __future__ import annotations

import numpy as np

from kernels.accounts import LONG, LONG_SHORT, NEUTRAL, SHORT
from kernels.bits import WORD_BITS, popcount, trailing_zeros
from kernels.entry_bars import row_of
from kernels.finals import EVERY, LONGS, NONE, SHORTS, fresh_entries, next_bar
from kernels.jit import inline
from kernels.stops import BLOCK_LEVELS, passages_at
from kernels.trades import EXIT_LAST_BAR, EXIT_SIGNAL, EXIT_STOP_LOSS, EXIT_TAKE_PROFIT

_PLACE_BITS, _REASON_BITS = 32, 2
_PLACE = (1 << _PLACE_BITS) - 1
_REASON = (1 << _REASON_BITS) - 1


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
def _gather_entries(final, entries, last, exit_on, before, bars, sides, ends):
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
def _pack_ends(reason, entries, before, last, ends):
    """Make what entries end by of the bars they end on; one that is never reached stays behind all others."""
    for level in range(ends.shape[0]):
        for place in range(ends.shape[1]):
            bar = ends[level, place]
            word = min(bar, last) // WORD_BITS
            ends[level, place] = _end(bar, reason, entries[word], before[word])


@inline
def _gather_kind(tables, n_levels, reason, entries, before, last, n_sides, rows, sides, ends):
    """Write what the entries end by at all levels of one kind; return the number of tables read."""
    read = 0
    for first in range(0, n_levels, BLOCK_LEVELS):
        block = ends[first : min(first + BLOCK_LEVELS, n_levels)]
        _gather_block(tables[read:], n_sides, last + 1, rows, sides, block)
        read += n_sides
    _pack_ends(reason, entries, before, last, ends)
    return read


@inline
def _gather_level(tables, level, n_levels, reason, entries, before, last, n_sides, rows, sides, ends):
    """Write what the entries end by at one level of a kind: of its block, each row's column alone is read."""
    first = level // BLOCK_LEVELS * BLOCK_LEVELS
    width = min(BLOCK_LEVELS, n_levels - first)
    block = tables[first // BLOCK_LEVELS * n_sides :]
    for place in range(rows.size):
        table = passages_at(block[np.int64(sides[place] == SHORT) * (n_sides - 1)], last + 1, width)
        ends[0, place] = table[rows[place], level - first]
    _pack_ends(reason, entries, before, last, ends)


@inline
def _listed(final, marks, rows_before, n_ends, last, rules):
    """The fresh entries, their rows in the tables, and room for what they end by, written without a stop alone."""
    entries = fresh_entries(final, last, rules.direction)
    before, count = _places(entries)
    bars, sides = np.empty(count, np.int64), np.empty(count)
    ends = np.empty((n_ends, count), np.int64)
    _gather_entries(final, entries, last, rules.exit_on, before, bars, sides, ends[0])
    rows = np.empty(count, np.int64)
    for place in range(count):
        rows[place] = row_of(marks, rows_before, sides[place], bars[place])
    return entries, before, bars, sides, rows, ends


@inline
def gather_under(final, tables, stop_losses, take_profits, marks, rows_before, combination, last, rules):
    """As `gather`, under one combination of the levels: of the stop-loss in row 1, of the take-profit in row 2.

    Where a kind has no levels, its row is that without a stop.
    """
    entries, before, bars, sides, rows, ends = _listed(final, marks, rows_before, 3, last, rules)
    n_sides = 2 if rules.direction == LONG_SHORT else 1
    stop_loss, take_profit = divmod(combination, max(1, take_profits))
    ends[1:] = ends[0]
    given = entries, before, last, n_sides, rows, sides
    if stop_losses:
        _gather_level(tables, stop_loss, stop_losses, EXIT_STOP_LOSS, *given, ends[1:2])
    if take_profits:
        profits = tables[-(-stop_losses // BLOCK_LEVELS) * n_sides :]
        _gather_level(profits, take_profit, take_profits, EXIT_TAKE_PROFIT, *given, ends[2:])
    return bars, sides, ends


@inline
def gather(final, tables, stop_losses, take_profits, marks, rows_before, last, rules):
    """The fresh entries: bars, sides, and what each ends by: `(1 + levels, entries)`, without a stop in row 0."""
    n_ends = 1 + stop_losses + take_profits
    entries, before, bars, sides, rows, ends = _listed(final, marks, rows_before, n_ends, last, rules)
    n_sides = 2 if rules.direction == LONG_SHORT else 1
    losses, profits = ends[1 : 1 + stop_losses], ends[1 + stop_losses :]
    read = _gather_kind(tables, stop_losses, EXIT_STOP_LOSS, entries, before, last, n_sides, rows, sides, losses)
    _gather_kind(
        tables[read:], take_profits, EXIT_TAKE_PROFIT, entries, before, last, n_sides, rows, sides, profits
    )
    return bars, sides, ends
