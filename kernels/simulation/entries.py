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
from kernels.simulation.exits import (
    EXIT_GAP,
    EXIT_LAST_BAR,
    EXIT_SIGNAL,
    EXIT_TAKE_PROFIT,
    KINDS,
    MAX_BARS,
    REASON_OF_KIND,
    TRAIL_PCT,
)
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
from kernels.simulation.levels.first_passages import BLOCK_LEVELS, passages_at

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
    packed = packed_reason(end)
    if fills.target_first == 0 or packed > EXIT_TAKE_PROFIT:
        return packed
    return EXIT_TAKE_PROFIT if packed == 0 else packed - 1


@inline
def _packed(reason, fills):
    """The number of a reason in ends: a take-profit comes first where a tie is one."""
    if fills.target_first == 0 or reason > EXIT_TAKE_PROFIT:
        return reason
    return 0 if reason == EXIT_TAKE_PROFIT else reason + 1


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
def _is_paired(kind, fills):
    """1 where a table tells of each time the one of the best price before it, in as many columns more."""
    return 1 if kind == TRAIL_PCT and fills.opens.size > 0 else 0


@inline
def _gather_block(tables, n_sides, n_rows, n_columns, entries, ends):
    """Write the times at which the levels of one block stop the entries; the number of times for never.

    It goes twice over the entries: the first level alone has many rows of the table under way at once, and the
    others find them in the cache; 10 % of a search. It does not branch on what it reads: a branch that is guessed
    wrong throws away the reads behind it.
    """
    rows, sides = entries.rows, entries.sides
    n_levels = ends.shape[0]
    for place in range(rows.size):
        table = passages_at(tables[np.int64(sides[place] == SHORT) * (n_sides - 1)], n_rows, n_columns)
        ends[0, place] = table[rows[place], 0]
    for place in range(rows.size):
        table = passages_at(tables[np.int64(sides[place] == SHORT) * (n_sides - 1)], n_rows, n_columns)
        for level in range(1, n_levels):
            ends[level, place] = table[rows[place], level]


@inline
def _gather_bests(tables, n_sides, n_rows, n_columns, entries, bests):
    """Write the times of the best prices before those times: the second half of the columns."""
    rows, sides = entries.rows, entries.sides
    n_levels = bests.shape[0]
    for place in range(rows.size):
        table = passages_at(tables[np.int64(sides[place] == SHORT) * (n_sides - 1)], n_rows, n_columns)
        for level in range(n_levels):
            bests[level, place] = table[rows[place], n_columns - n_levels + level]


@inline
def _pack_ends(kind, entries, prices, ends):
    """Turn the times at which levels stop the entries into their ends, at the level or before by the signal."""
    last, packed = prices.close.size - 1, _packed(REASON_OF_KIND[kind], prices.fills)
    for level in range(ends.shape[0]):
        for place in range(entries.bars.size):
            time = ends[level, place]
            bar = min(bar_at(prices.fills, time), last)
            word = bar // WORD_BITS
            stopped = _end(time, packed, bar, entries.words[word], entries.before[word])
            ends[level, place] = min(entries.ends[place], stopped)


@inline
def _gather_kind(tables, n_sides, kind, entries, prices, gathered):
    """Write the ends of some entries at all levels of one kind.

    Args:
        gathered: the rows of these ends, and of their best prices.
    """
    ends, bests = gathered
    n_levels = ends.shape[0]
    for level in range(0, n_levels, BLOCK_LEVELS):
        stop = min(level + BLOCK_LEVELS, n_levels)
        columns = (stop - level) * (1 + _is_paired(kind, prices.fills))
        block = tables[_table_count(level, n_sides) :]
        _gather_block(block, n_sides, prices.close.size, columns, entries, ends[level:stop])
        if _is_paired(kind, prices.fills):
            _gather_bests(block, n_sides, prices.close.size, columns, entries, bests[level:stop])


@inline
def _gather_level(tables, n_sides, level, n_levels, kind, entries, prices, gathered):
    """Write the ends of the entries at one level of a kind: of its block, only each row's column is read."""
    ends, bests = gathered
    rows, sides = entries.rows, entries.sides
    first = level // BLOCK_LEVELS * BLOCK_LEVELS
    width = min(BLOCK_LEVELS, n_levels - first)
    paired = _is_paired(kind, prices.fills)
    block = tables[_table_count(first, n_sides) :]
    for place in range(rows.size):
        address = block[np.int64(sides[place] == SHORT) * (n_sides - 1)]
        table = passages_at(address, prices.close.size, width * (1 + paired))
        ends[0, place] = table[rows[place], level - first]
        if paired:
            bests[0, place] = table[rows[place], width + level - first]


@inline
def _gather_bars(levels, entries, prices, ends):
    """Write the closes so many bars after the entries' signals; the number of times where there is no such bar."""
    fills, n_bars = prices.fills, prices.close.size
    for level in range(levels.size):
        for place in range(entries.bars.size):
            bar = entries.bars[place] + np.int64(levels[level])
            ends[level, place] = closing_time(fills, bar) if bar < n_bars else n_bars * fills.times_a_bar


@inline
def list_entries(final, entry_bars, prices, rules):
    """The fresh entries of a base variant."""
    words = fresh_entries(final, prices.close.size - 1, rules.direction)
    for bar in range(prices.first_entry):
        words[bar // WORD_BITS] &= ~(np.uint64(1) << np.uint64(bar % WORD_BITS))
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
def gather(entries, stops, prices, rules, ends, bests):
    """Write the ends of some entries, a row a level: row 0 by their signal, the others by their signal or at the
    level, one kind after the other.

    Args:
        bests: the same rows for the times of best prices, of trailing stops inside bars alone.
    """
    n_sides = 2 if rules.direction == LONG_SHORT else 1
    copy(entries.ends, ends[0, : entries.bars.size])
    row, table = 1, 0
    for kind in range(KINDS):
        count = stops.counts[kind]
        if count == 0:
            continue
        rows = ends[row : row + count]
        if kind == MAX_BARS:
            _gather_bars(stops.levels[row - 1 : row - 1 + count], entries, prices, rows)
        else:
            gathered = rows, bests[row : row + count]
            _gather_kind(stops.addresses[table:], n_sides, kind, entries, prices, gathered)
            table += _table_count(count, n_sides)
        _pack_ends(kind, entries, prices, rows)
        row += count


@inline
def gather_under(entries, stops, chosen, prices, rules, ends, bests):
    """Write the ends of all entries at one level of each kind: as `gather`, with a row for each kind that has any.

    Args:
        chosen: the level of each kind, as `stops.chosen_levels` tells it.
    """
    n_sides = 2 if rules.direction == LONG_SHORT else 1
    copy(entries.ends, ends[0])
    row, table, first = 1, 0, 0
    for kind in range(KINDS):
        count = stops.counts[kind]
        if count == 0:
            continue
        rows, level = ends[row : row + 1], chosen[kind]
        if kind == MAX_BARS:
            _gather_bars(stops.levels[first + level : first + level + 1], entries, prices, rows)
        else:
            gathered = rows, bests[row : row + 1]
            _gather_level(stops.addresses[table:], n_sides, level, count, kind, entries, prices, gathered)
            table += _table_count(count, n_sides)
        _pack_ends(kind, entries, prices, rows)
        row, first = row + 1, first + count
