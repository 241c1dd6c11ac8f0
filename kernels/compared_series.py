"""Comparisons and crossings of many pairs of series, block by block of bars.

A block of all series lies in the cache while every pair of them is compared: one pair after the other over all
bars reads 8 MB of memory a pair and year of minutes. Where codes of 16 bits tell the two apart no float is read,
and a crossing is made of the comparison by shifts of its words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import carray
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, popcount, row_addresses, trailing_zeros, words
from kernels.codes import MOST, compare_codes, encode_octet
from kernels.comparisons import OCTET, above, at_most
from kernels.jit import FLOAT, INT, INT_ROWS, WORD, WORDS, inline, jit, pointer_to
from kernels.pairs import FAILS, HOLDS, Series

BLOCK_WORDS = 32
"""Words of a block: the codes of 100 series take 400 KB, of the 512 KB of a core's second cache."""
BLOCK_BARS = BLOCK_WORDS * WORD_BITS
SAMPLED = 32
"""The span of a block's codes is that of every so manieth number: those outside only leave more to the floats."""

MOST_LOOKED_AT = 8
"""Equal codes of a word whose numbers are compared one by one: all of its floats are 16 lines of the third cache,
and to read those made crossings of real averages take a quarter longer."""

_EVERY, _ONE, _TOP = np.uint64(0xFFFF_FFFF_FFFF_FFFF), np.uint64(1), np.uint64(WORD_BITS - 1)
_NONE = np.uint64(0)

_float_pointer = pointer_to(FLOAT)
_word_pointer = pointer_to(WORD)


def compare_series(
    series: Sequence[Series],
    sides: NDArray[np.int64],
    before: int,
    out: NDArray[np.uint64],
    places: NDArray[np.int64],
    rows: Sequence[int],
) -> None:
    """Write for each `left, right` of `sides` the rows of a pair: of `left > right`, or of its crossing.

    Args:
        series: all of one length, contiguous.
        before: bars of the series before the first: none for a comparison, one for a crossing.
        out: `(planes, rows, words)`, contiguous; `places` says which plane each of `sides` is.
        rows: the rows of a pair that are wanted, `kernels.pairs.HOLDS` or `FAILS` or both.

    Raises:
        ValueError: for series, sides or room that do not go together.
    """
    n_values, count = series[0].size, len(sides)
    if before not in (0, 1) or any(each.size != n_values or not each.flags.c_contiguous for each in series):
        raise ValueError("series to compare are contiguous and of one length, with one bar before or none")
    if out.shape[1:] != (len(rows), words(n_values - before)) or not out.flags.c_contiguous:
        raise ValueError(f"no room for comparisons of {n_values - before} bars: {out.shape}")
    for name, numbers, many in (("sides", sides, len(series)), ("places", places, len(out))):
        if numbers.size and (numbers.min() < 0 or numbers.max() >= many):
            raise ValueError(f"{name} are {numbers.min()} to {numbers.max()} of {many}")
    tables = np.zeros((2, count), np.uint64)
    for at, row in enumerate(rows):
        tables[row] = row_addresses([out[:, at]])[places]
    addresses = np.array([each.ctypes.data for each in series], np.uint64)
    _compare(addresses, n_values, before, np.ascontiguousarray(sides), tables[HOLDS], tables[FAILS])


@inline
def _values(address, n_values):
    return carray(_float_pointer(address), (n_values,))


@inline
def _span(series, n_values, first, last):
    """The middle and the scale of a block's codes; a scale of 0 where there is no span of finite numbers."""
    least, most = np.inf, -np.inf
    for number in range(series.size):
        values = _values(series[number], n_values)
        for bar in range(first, min(last, n_values), SAMPLED):
            value = values[bar]
            if abs(value) < np.inf:
                least, most = min(least, value), max(most, value)
    span = most - least
    scale = 2.0 * MOST / span if 0.0 < span < np.inf else 0.0
    return least + span / 2.0, scale if scale < np.inf else 0.0


@inline
def _encode_block(series, n_values, first, last, before, codes, whole):
    """Write the codes of a block; tell of each series if all of its bars are there and are numbers."""
    middle, scale = _span(series, n_values, first, last)
    for number in range(series.size):
        values, out = _values(series[number], n_values), codes[number]
        unknown = np.uint8(not 0.0 < scale < np.inf or last > n_values)
        if before == 1 and np.isnan(values[first - 1]):
            unknown = np.uint8(1)
        if unknown == 0:
            for octet in range((last - first) // OCTET):
                unknown |= encode_octet(values, first + OCTET * octet, middle, scale, out, OCTET * octet)
        whole[number] = unknown == 0


@inline
def _words_above(left, right, bar):
    """Compare 64 bars as floats: a word of those that are above, one of those that are known not to be."""
    over, under = _NONE, _NONE
    for octet in range(WORD_BITS // OCTET):
        t, place = bar + OCTET * octet, np.uint64(OCTET * octet)
        over |= np.uint64(above(left, right, t)) << place
        under |= np.uint64(at_most(left, right, t)) << place
    return over, under


@inline
def _compare_block(left, right, left_codes, right_codes, coded, bar, over, under):
    """Write the words of a block: of the bars that are above, of those that are known not to be."""
    if not coded:
        for word in range(over.size):
            over[word], under[word] = _words_above(left, right, bar + word * WORD_BITS)
        return
    for word in range(over.size):
        over[word], under[word] = compare_codes(left_codes, right_codes, word * WORD_BITS)
    for word in range(over.size):
        equal = under[word]
        if popcount(equal) > MOST_LOOKED_AT:
            over[word], under[word] = _words_above(left, right, bar + word * WORD_BITS)
            continue
        while equal != _NONE:
            place = trailing_zeros(equal)
            t = bar + word * WORD_BITS + np.int64(place)
            over[word] |= np.uint64(left[t] > right[t]) << place
            equal &= equal - _ONE
        under[word] = ~over[word]


@inline
def _write_crossing(above, not_above, address, n_words, first):
    """Write the bars on which the one holds that did not hold on the bar before: both begin a word earlier."""
    out = carray(_word_pointer(address), (n_words,))[first : first + above.size - 1]
    now, before, earlier = above[1:], not_above[1:], not_above[:-1]
    for word in range(out.size):
        out[word] = now[word] & (before[word] << _ONE | earlier[word] >> _TOP)


@inline
def _write_no_crossing(above, not_above, address, n_words, first):
    out = carray(_word_pointer(address), (n_words,))[first : first + above.size - 1]
    now, before, earlier = not_above[1:], above[1:], above[:-1]
    for word in range(out.size):
        out[word] = now[word] | before[word] << _ONE | earlier[word] >> _TOP


@jit(WORDS, INT, INT, INT_ROWS, WORDS, WORDS)
def _compare(series, n_values, before, sides, holds, fails):
    n_bars = n_values - before
    n_words = (n_bars + WORD_BITS - 1) // WORD_BITS
    codes = np.empty((series.size, BLOCK_BARS), np.int16)
    whole = np.empty(series.size, np.bool_)
    room = np.empty((2, BLOCK_WORDS + 1), np.uint64)
    for first in range(0, n_words, BLOCK_WORDS):
        last = min(first + BLOCK_WORDS, n_words)
        bar = first * WORD_BITS + before
        _encode_block(series, n_values, bar, last * WORD_BITS + before, before, codes, whole)
        over, under = room[0, : last - first + 1], room[1, : last - first + 1]
        for pair in range(sides.shape[0]):
            one, other = sides[pair, 0], sides[pair, 1]
            left, right = _values(series[one], n_values), _values(series[other], n_values)
            coded = whole[one] and whole[other]
            _compare_block(left, right, codes[one], codes[other], coded, bar, over[1:], under[1:])
            if before == 1:
                over[0] = np.uint64(left[bar - 1] > right[bar - 1]) << _TOP
                under[0] = np.uint64(left[bar - 1] <= right[bar - 1]) << _TOP
                if holds[pair] != _NONE:
                    _write_crossing(over, under, holds[pair], n_words, first)
                if fails[pair] != _NONE:
                    _write_no_crossing(over, under, fails[pair], n_words, first)
            else:
                if holds[pair] != _NONE:
                    carray(_word_pointer(holds[pair]), (n_words,))[first:last] = over[1:]
                if fails[pair] != _NONE:
                    carray(_word_pointer(fails[pair]), (n_words,))[first:last] = under[1:]
    end = _EVERY >> np.uint64(n_words * WORD_BITS - n_bars)
    for pair in range(sides.shape[0]):
        for address in (holds[pair], fails[pair]):
            if address != _NONE:
                carray(_word_pointer(address), (n_words,))[n_words - 1] &= end
