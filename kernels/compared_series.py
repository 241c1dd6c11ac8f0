"""Comparisons and crossings of many pairs of series, block by block of bars.

Some series stay while others pass by, and a block of all lies in the cache while every pair of them is compared:
one pair after the other over all bars reads 8 MB of memory a pair and year of minutes. Where codes of 16 bits tell
the two apart no float is read; those of the series that stay are made once. A crossing is made of the comparison
by shifts of its words, and one comparison gives both ways of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import carray
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, popcount, row_addresses, trailing_zeros, words
from kernels.codes import CODES_OUT, MOST, compare_codes, encode_octet
from kernels.comparisons import OCTET, OCTET_ROWS_OUT, above, at_most
from kernels.jit import (
    FLOAT,
    FLOAT_ROWS_OUT,
    INT,
    INT_ROWS,
    WORD,
    WORD_ROWS,
    WORDS,
    inline,
    jit,
    pointer_to,
    record_of,
)
from kernels.pairs import Series

BLOCK_WORDS = 32
"""Words of a block: the codes of 100 series take 400 KB, of the 512 KB of a core's second cache."""
BLOCK_BARS = BLOCK_WORDS * WORD_BITS
SAMPLED = 32
"""The span of a block's codes is that of every so manieth number: those outside only leave more to the floats."""

MOST_LOOKED_AT = 8
"""Equal codes of a word whose numbers are compared one by one: all of its floats are 16 lines of the third cache,
and to read those made crossings of real averages take a quarter longer."""

READINGS = 4
"""The planes that a comparison of a staying series with a passing one may give: the rows of the pair
(`kernels.pairs.HOLDS`, `FAILS`) of the first above the second, then those of the second above the first."""

_ABOVE, _NOT_ABOVE, _BELOW, _NOT_BELOW = range(READINGS)
_EVERY, _ONE, _TOP = np.uint64(0xFFFF_FFFF_FFFF_FFFF), np.uint64(1), np.uint64(WORD_BITS - 1)
_NONE = np.uint64(0)

_float_pointer = pointer_to(FLOAT)
_word_pointer = pointer_to(WORD)


class Codes(NamedTuple):
    """The codes of the series that stay, block by block."""

    values: NDArray[np.int16]
    whole: NDArray[np.uint8]
    """The blocks of a series that have a code for every bar."""
    spans: NDArray[np.float64]
    """The middle and the scale of a block's codes."""


CODES = record_of(Codes, CODES_OUT, OCTET_ROWS_OUT, FLOAT_ROWS_OUT)
"""The compiled type of `Codes`."""


class StayingSeries:
    """Series that stay while others pass by, and their codes."""

    def __init__(self, series: Sequence[Series], before: int) -> None:
        """
        Args:
            series: all of one length, contiguous.
            before: bars of the series before the first: none for a comparison, one for a crossing.
        """
        if before not in (0, 1):
            raise ValueError(f"one bar is before the first or none: {before}")
        self._series, self._before, self._n_values = series, before, series[0].size
        self._addresses = self._checked(series)
        blocks = -(-words(self._n_values - before) // BLOCK_WORDS)
        self._codes = Codes(
            np.empty((blocks, len(series), BLOCK_BARS), np.int16),
            np.empty((blocks, len(series)), np.uint8),
            np.empty((blocks, 2)),
        )
        self._encoded = False

    def compare(
        self,
        passing: Sequence[Series],
        sides: NDArray[np.int64],
        places: NDArray[np.int64],
        out: NDArray[np.uint64],
    ) -> None:
        """Write what is wanted of each pair of `sides`, a staying series and a passing one.

        Args:
            places: `(pairs, READINGS)`, the row of `out` for each reading, negative where it is not wanted.
            out: `(rows, words)`, contiguous.

        Raises:
            ValueError: for series, sides or room that do not go together.
        """
        addresses = self._checked(passing)
        n_bars = self._n_values - self._before
        if out.shape[1:] != (words(n_bars),) or not out.flags.c_contiguous:
            raise ValueError(f"no room for comparisons of {n_bars} bars: {out.shape}")
        for name, numbers, many in (
            ("staying sides", sides[:, 0], len(self._series)),
            ("passing sides", sides[:, 1], len(passing)),
        ):
            if numbers.size and (numbers.min() < 0 or numbers.max() >= many):
                raise ValueError(f"{name} are {numbers.min()} to {numbers.max()} of {many}")
        if places.shape != (len(sides), READINGS) or (places.size and places.max() >= len(out)):
            raise ValueError(f"places {places.shape} of {len(sides)} pairs in {len(out)} rows")
        # An address of 0 stands for a reading that is not wanted.
        wanted = np.where(places >= 0, row_addresses([out])[places], np.uint64(0))
        _compare(
            self._addresses,
            addresses,
            self._n_values,
            self._before,
            np.ascontiguousarray(sides),
            wanted,
            self._codes,
            int(self._encoded),
        )
        self._encoded = True

    def _checked(self, series: Sequence[Series]) -> NDArray[np.uint64]:
        if any(each.size != self._n_values or not each.flags.c_contiguous for each in series):
            raise ValueError("series to compare are contiguous and of one length")
        return np.array([each.ctypes.data for each in series], np.uint64)


@inline
def _values(address, n_values):
    return carray(_float_pointer(address), (n_values,))


@inline
def _extremes(series, n_values, first, last, least, most):
    for number in range(series.size):
        values = _values(series[number], n_values)
        for bar in range(first, min(last, n_values), SAMPLED):
            value = values[bar]
            if abs(value) < np.inf:
                least, most = min(least, value), max(most, value)
    return least, most


@inline
def _write_span(staying, passing, n_values, first, last, span):
    """Write the middle and the scale of a block's codes; a scale of 0 where there is no span of finite numbers."""
    least, most = _extremes(staying, n_values, first, last, np.inf, -np.inf)
    least, most = _extremes(passing, n_values, first, last, least, most)
    wide = most - least
    scale = 2.0 * MOST / wide if 0.0 < wide < np.inf else 0.0
    span[0], span[1] = least + wide / 2.0, scale if scale < np.inf else 0.0


@inline
def _encode_block(series, n_values, first, last, before, span, codes, whole):
    """Write the codes of a block; tell of each series if all of its bars are there and are numbers."""
    middle, scale = span[0], span[1]
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
def _settle(left, right, bar, over, same):
    """Compare the numbers where the codes are the same; leave in `same` the bars on which the numbers are."""
    for word in range(over.size):
        equal = same[word]
        if equal == _NONE:
            continue
        first = bar + word * WORD_BITS
        if popcount(equal) > MOST_LOOKED_AT:
            over[word], at_most = _words_above(left, right, first)
            _, at_least = _words_above(right, left, first)
            same[word] = at_most & at_least
            continue
        same_numbers = _NONE
        while equal != _NONE:
            place = trailing_zeros(equal)
            t = first + np.int64(place)
            over[word] |= np.uint64(left[t] > right[t]) << place
            same_numbers |= np.uint64(left[t] == right[t]) << place
            equal &= equal - _ONE
        same[word] = same_numbers


@inline
def _compare_codes(left, right, left_codes, right_codes, bar, turned, states, stop):
    over, not_over = states[_ABOVE, 1:stop], states[_NOT_ABOVE, 1:stop]
    under, not_under = states[_BELOW, 1:stop], states[_NOT_BELOW, 1:stop]
    for word in range(over.size):
        over[word], under[word] = compare_codes(left_codes, right_codes, word * WORD_BITS)
    _settle(left, right, bar, over, under)
    for word in range(over.size):
        not_over[word] = ~over[word]
    if turned:
        for word in range(over.size):
            not_under[word] = over[word] | under[word]
            under[word] = ~not_under[word]


@inline
def _compare_numbers(left, right, bar, over, not_over):
    for word in range(over.size):
        over[word], not_over[word] = _words_above(left, right, bar + word * WORD_BITS)


@inline
def _write_before(left, right, bar, states):
    """Write the bar before a block into the top of the word before it."""
    states[_ABOVE, 0] = np.uint64(left[bar] > right[bar]) << _TOP
    states[_NOT_ABOVE, 0] = np.uint64(left[bar] <= right[bar]) << _TOP
    states[_BELOW, 0] = np.uint64(right[bar] > left[bar]) << _TOP
    states[_NOT_BELOW, 0] = np.uint64(right[bar] <= left[bar]) << _TOP


@inline
def _write_crossing(above, not_above, out):
    """Write the bars on which the one holds that did not hold on the bar before: both begin a word earlier."""
    now, before, earlier = above[1:], not_above[1:], not_above[:-1]
    for word in range(out.size):
        out[word] = now[word] & (before[word] << _ONE | earlier[word] >> _TOP)


@inline
def _write_no_crossing(above, not_above, out):
    now, before, earlier = not_above[1:], above[1:], above[:-1]
    for word in range(out.size):
        out[word] = now[word] | before[word] << _ONE | earlier[word] >> _TOP


@inline
def _write_reading(reading, crossing, states, stop, out):
    holds = reading - reading % 2
    if not crossing:
        out[:] = states[reading, 1:stop]
    elif reading == holds:
        _write_crossing(states[holds, :stop], states[holds + 1, :stop], out)
    else:
        _write_no_crossing(states[holds, :stop], states[holds + 1, :stop], out)


@jit(WORDS, WORDS, INT, INT, INT_ROWS, WORD_ROWS, CODES, INT)
def _compare(staying, passing, n_values, before, sides, wanted, kept, encoded):
    codes, whole, spans = kept.values, kept.whole, kept.spans
    n_bars = n_values - before
    n_words = (n_bars + WORD_BITS - 1) // WORD_BITS
    passing_codes = np.empty((passing.size, BLOCK_BARS), np.int16)
    passing_whole = np.empty(passing.size, np.uint8)
    states = np.empty((READINGS, BLOCK_WORDS + 1), np.uint64)
    for block in range(codes.shape[0]):
        first = block * BLOCK_WORDS
        last = min(first + BLOCK_WORDS, n_words)
        bar, behind = first * WORD_BITS + before, last * WORD_BITS + before
        if encoded == 0:
            _write_span(staying, passing, n_values, bar, behind, spans[block])
            _encode_block(staying, n_values, bar, behind, before, spans[block], codes[block], whole[block])
        _encode_block(passing, n_values, bar, behind, before, spans[block], passing_codes, passing_whole)
        stop = last - first + 1
        for pair in range(sides.shape[0]):
            one, other = sides[pair, 0], sides[pair, 1]
            left, right = _values(staying[one], n_values), _values(passing[other], n_values)
            turned = wanted[pair, _BELOW] != _NONE or wanted[pair, _NOT_BELOW] != _NONE
            if whole[block, one] and passing_whole[other]:
                _compare_codes(left, right, codes[block, one], passing_codes[other], bar, turned, states, stop)
            else:
                _compare_numbers(left, right, bar, states[_ABOVE, 1:stop], states[_NOT_ABOVE, 1:stop])
                if turned:
                    _compare_numbers(right, left, bar, states[_BELOW, 1:stop], states[_NOT_BELOW, 1:stop])
            if before == 1:
                _write_before(left, right, bar - 1, states)
            for reading in range(READINGS):
                address = wanted[pair, reading]
                if address != _NONE:
                    out = carray(_word_pointer(address), (n_words,))[first:last]
                    _write_reading(reading, before == 1, states, stop, out)
    end = _EVERY >> np.uint64(n_words * WORD_BITS - n_bars)
    for pair in range(sides.shape[0]):
        for reading in range(READINGS):
            if wanted[pair, reading] != _NONE:
                carray(_word_pointer(wanted[pair, reading]), (n_words,))[n_words - 1] &= end
