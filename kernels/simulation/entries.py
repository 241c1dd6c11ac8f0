"""The fresh entries of a base variant, and the end of each: by its signal, and at every stop level.

An end is one number: the time of the exit, its reason, and the place in the list of the next entry that can
follow. Times come first in it, and reasons are numbered by precedence. So where several ends are possible, the
least number is the one that the rules of trading prescribe.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, popcount, trailing_zeros
from kernels.copying import copy
from kernels.jit import inline
from kernels.simulation.accounts import LONG, LONG_SHORT, NEUTRAL, SHORT
from kernels.simulation.entry_bars import row_of
from kernels.simulation.exits import EXIT_GAP, EXIT_LAST_BAR, EXIT_SIGNAL, EXIT_STOP_LOSS, EXIT_TAKE_PROFIT
from kernels.simulation.fills import bar_at, closing_time
from kernels.simulation.final_signals import (
    EVERY,
    LONG_EXITS,
    LONGS,
    NONE,
    SHORT_EXITS,
    SHORTS,
    fresh_entries,
    has_own_exits,
    next_bar,
)
from kernels.simulation.first_passages import BLOCK_LEVELS, passages_at

_PLACE_BITS, _REASON_BITS = 32, 3
_PLACE = (1 << _PLACE_BITS) - 1
_REASON = (1 << _REASON_BITS) - 1


class Entries(NamedTuple):
    """The fresh entries of a base variant, or some of them, in order."""

    words: NDArray[np.uint64]
    """A bit for each bar with an entry, of all of them."""
    before: NDArray[np.int64]
    """The number of entries before each word."""
    bars: NDArray[np.int64]
    sides: NDArray[np.float64]
    rows: NDArray[np.int64]
    """Their rows in the tables of stops."""
    ends: NDArray[np.int64]
    """Their ends without a stop."""


@inline
def time_of(end):
    return end >> (_PLACE_BITS + _REASON_BITS)


@inline
def packed_reason(end):
    """The reason as it orders ends; where every exit is at a close, that is the reason itself."""
    return end >> _PLACE_BITS & _REASON


@inline
def reason_of(end, fills):
    reason = packed_reason(end)
    return reason ^ fills.target_first if reason <= EXIT_TAKE_PROFIT else reason


@inline
def place_of(end):
    """The place in the list of the first entry that can follow."""
    return end & _PLACE


@inline
def _places(entries):
    """The number of entries before each word, and of all."""
    before = np.empty(entries.size, np.int64)
    count = np.int64(0)
    for word in range(entries.size):
        before[word] = count
        count += np.int64(popcount(entries[word]))
    return before, count


@inline
def _end(time, reason, bar, word, before_word):
    """An end as one number; `word` is the entries' word of its bar."""
    place = before_word + np.int64(popcount(word & ~(EVERY << np.uint64(bar % WORD_BITS))))
    return (time << _REASON_BITS | reason) << _PLACE_BITS | place


@inline
def _list_entries(final, entries, prices, exit_on, before, bars, sides, ends):
    """Write the bars of the entries, their sides, and their ends without any stop."""
    gaps, last, fills = prices.gaps, prices.close.size - 1, prices.fills
    longs, shorts = final[LONGS], final[SHORTS]
    flip = EVERY if exit_on == NEUTRAL else NONE
    long_ending, short_ending = (longs, shorts) if exit_on == NEUTRAL else (shorts, longs)
    if has_own_exits(final):
        flip, long_ending, short_ending = NONE, final[LONG_EXITS], final[SHORT_EXITS]
    long_exit = short_exit = place = part = 0
    for word in range(entries.size):
        events = entries[word]
        while events != NONE:
            bit = trailing_zeros(events)
            events &= events - np.uint64(1)
            bar = word * WORD_BITS + np.int64(bit)
            # The first exit after an entry is also the first after later entries, until one is past it.
            if longs[word] >> bit & np.uint64(1):
                if long_exit <= bar:
                    long_exit = next_bar(long_ending, flip, bar + 1)
                side, exit_bar = LONG, long_exit
            else:
                if short_exit <= bar:
                    short_exit = next_bar(short_ending, flip, bar + 1)
                side, exit_bar = SHORT, short_exit
            while part < gaps.size and gaps[part] <= bar:
                part += 1
            reason = EXIT_SIGNAL
            if part < gaps.size and exit_bar + fills.delay > gaps[part]:
                exit_bar, reason = gaps[part], EXIT_GAP
            elif exit_bar + fills.delay > last:
                exit_bar, reason = last, EXIT_LAST_BAR
            bars[place], sides[place] = bar, side
            there = exit_bar // WORD_BITS
            time = closing_time(fills, exit_bar)
            ends[place] = _end(time, reason, exit_bar, entries[there], before[there])
            place += 1


@inline
def _table_count(n_levels, n_sides):
    """The number of tables that the levels of one kind have."""
    return -(-n_levels // BLOCK_LEVELS) * n_sides


@inline
def _gather_block(tables, n_sides, n_rows, entries, ends):
    """Write the bars at which the levels of one block stop the entries; the number of bars for never.

    It goes twice over the entries: the first level alone has many rows of the table under way at once, and the
    others find them in the cache; 10 % of a search. It does not branch on what it reads: a branch that is guessed
    wrong throws away the reads behind it.
    """
    rows, sides = entries.rows, entries.sides
    n_levels = ends.shape[0]
    for place in range(rows.size):
        table = passages_at(tables[np.int64(sides[place] == SHORT) * (n_sides - 1)], n_rows, n_levels)
        ends[0, place] = table[rows[place], 0]
    for place in range(rows.size):
        table = passages_at(tables[np.int64(sides[place] == SHORT) * (n_sides - 1)], n_rows, n_levels)
        for level in range(1, n_levels):
            ends[level, place] = table[rows[place], level]


@inline
def _pack_ends(kind, entries, prices, ends):
    """Turn the times at which levels stop the entries into their ends, at the level or before by the signal."""
    last, reason = prices.close.size - 1, kind ^ prices.fills.target_first
    for level in range(ends.shape[0]):
        for place in range(entries.bars.size):
            time = ends[level, place]
            bar = min(bar_at(prices.fills, time), last)
            word = bar // WORD_BITS
            stopped = _end(time, reason, bar, entries.words[word], entries.before[word])
            ends[level, place] = min(entries.ends[place], stopped)


@inline
def _gather_kind(tables, n_sides, kind, entries, prices, ends):
    """Write the ends of some entries at all levels of one kind: the reason of these exits."""
    n_levels = ends.shape[0]
    for level in range(0, n_levels, BLOCK_LEVELS):
        block = ends[level : min(level + BLOCK_LEVELS, n_levels)]
        _gather_block(tables[_table_count(level, n_sides) :], n_sides, prices.close.size, entries, block)
    _pack_ends(kind, entries, prices, ends)


@inline
def _gather_level(tables, n_sides, level, n_levels, kind, entries, prices, ends):
    """Write the ends of the entries at one level of a kind: of its block, only each row's column is read."""
    rows, sides = entries.rows, entries.sides
    first = level // BLOCK_LEVELS * BLOCK_LEVELS
    width = min(BLOCK_LEVELS, n_levels - first)
    block = tables[_table_count(first, n_sides) :]
    for place in range(rows.size):
        table = passages_at(block[np.int64(sides[place] == SHORT) * (n_sides - 1)], prices.close.size, width)
        ends[0, place] = table[rows[place], level - first]
    _pack_ends(kind, entries, prices, ends)


@inline
def list_entries(final, entry_bars, prices, rules):
    """The fresh entries of a base variant."""
    words = fresh_entries(final, prices.close.size - 1, rules.direction)
    for bar in prices.gaps:
        words[bar // WORD_BITS] &= ~(np.uint64(1) << np.uint64(bar % WORD_BITS))
    before, count = _places(words)
    bars, sides, ends = np.empty(count, np.int64), np.empty(count), np.empty(count, np.int64)
    _list_entries(final, words, prices, rules.exit_on, before, bars, sides, ends)
    rows = np.empty(count, np.int64)
    for place in range(count):
        rows[place] = row_of(entry_bars, sides[place], bars[place])
    return Entries(words, before, bars, sides, rows, ends)


@inline
def between(entries, first, stop):
    """The entries `[first, stop)` of the list."""
    return Entries(
        entries.words,
        entries.before,
        entries.bars[first:stop],
        entries.sides[first:stop],
        entries.rows[first:stop],
        entries.ends[first:stop],
    )


@inline
def gather(entries, stops, prices, rules, ends):
    """Write the ends of some entries, a row a level: row 0 by their signal, the others by their signal or at the
    level, first of all stop-losses, then of all take-profits."""
    tables, stop_losses = stops.addresses, stops.stop_losses
    n_sides = 2 if rules.direction == LONG_SHORT else 1
    copy(entries.ends, ends[0, : entries.bars.size])
    _gather_kind(tables, n_sides, EXIT_STOP_LOSS, entries, prices, ends[1 : 1 + stop_losses])
    profits = tables[_table_count(stop_losses, n_sides) :]
    _gather_kind(profits, n_sides, EXIT_TAKE_PROFIT, entries, prices, ends[1 + stop_losses :])


@inline
def gather_under(entries, stops, combination, prices, rules, ends):
    """Write the ends of all entries under one combination of the levels: row 1 at its stop-loss, row 2 at its
    take-profit, row 0 without a stop. Where a kind has no levels, its row is row 0."""
    tables, stop_losses, take_profits = stops.addresses, stops.stop_losses, stops.take_profits
    n_sides = 2 if rules.direction == LONG_SHORT else 1
    stop_loss, take_profit = divmod(combination, max(1, take_profits))
    for row in range(3):
        copy(entries.ends, ends[row])
    if stop_losses:
        _gather_level(tables, n_sides, stop_loss, stop_losses, EXIT_STOP_LOSS, entries, prices, ends[1:2])
    if take_profits:
        profits = tables[_table_count(stop_losses, n_sides) :]
        _gather_level(profits, n_sides, take_profit, take_profits, EXIT_TAKE_PROFIT, entries, prices, ends[2:])
