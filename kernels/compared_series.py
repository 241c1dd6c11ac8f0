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

from kernels.bits import WORD_BITS, WORD_BYTES, row_addresses, words
from kernels.codes import CODE_BYTES, CODES_OUT, MOST, encode_octet
from kernels.compared_blocks import (
    ABOVE,
    BELOW,
    READINGS,
    tell_by_codes,
    words_at,
    write_by_numbers,
    write_same,
    write_told,
)
from kernels.comparisons import OCTET, OCTET_ROWS_OUT
from kernels.jit import (
    FLOAT,
    FLOAT_ROWS_OUT,
    INT,
    INT_ROWS,
    WORD,
    WORD_ROWS,
    WORDS,
    fetch_to_write,
    inline,
    jit,
    pointer_to,
    record_of,
)
from kernels.pairs import Series

BLOCK_WORDS = 64
"""Words of a block: of ten series that pass by, the codes take 80 KB of a core's second cache, and a plane gets
512 bytes at a time; in blocks of half of that, a comparison took a third longer, in blocks of twice a tenth."""
BLOCK_BARS = BLOCK_WORDS * WORD_BITS
SAMPLED = 32
"""The span of a block's codes is that of every so manieth number: those outside only leave more to the floats."""

_LINE_WORDS = 8
_EVERY, _NONE = np.uint64(0xFFFF_FFFF_FFFF_FFFF), np.uint64(0)
_ROW_BYTES = np.uint64(BLOCK_BARS * CODE_BYTES)

_float_pointer = pointer_to(FLOAT)
_word_pointer = pointer_to(WORD)


class Codes(NamedTuple):
    """The codes of the series that stay, block by block."""

    values: NDArray[np.int16]
    whole: NDArray[np.uint8]
    """The blocks of a series that have a code for every bar."""
    spans: NDArray[np.float64]
    """The middle and the scale of a block's codes, and the number of the series of reference."""


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
            np.empty((blocks, 3)),
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
def _row_at(codes, number):
    """The address of a series' codes of a block."""
    return np.uint64(codes) + np.uint64(number) * _ROW_BYTES


@inline
def _reference_of(series, n_values, first, last):
    """The number of a series that is a number on every bar of a block, the middle one if it is; else of any."""
    for turn in range(series.size):
        number = (series.size // 2 + turn) % series.size
        values, unknown = _values(series[number], n_values), False
        for bar in range(first, min(last, n_values)):
            unknown |= np.isnan(values[bar])
        if not unknown:
            return number
    return 0


@inline
def _extremes(series, reference, n_values, first, last, least, most):
    for number in range(series.size):
        values = _values(series[number], n_values)
        for bar in range(first, min(last, n_values), SAMPLED):
            value = values[bar] - reference[bar]
            if abs(value) < np.inf:
                least, most = min(least, value), max(most, value)
    return least, most


@inline
def _write_span(staying, passing, n_values, first, last, span):
    """Write the middle and the scale of a block's codes, and the number of the series of reference.

    The scale is 0 where there is no span of finite numbers.
    """
    number = _reference_of(staying, n_values, first, last)
    reference = _values(staying[number], n_values)
    least, most = _extremes(staying, reference, n_values, first, last, np.inf, -np.inf)
    least, most = _extremes(passing, reference, n_values, first, last, least, most)
    wide = most - least
    scale = 2.0 * MOST / wide if 0.0 < wide < np.inf else 0.0
    span[0], span[1], span[2] = least + wide / 2.0, scale if scale < np.inf else 0.0, number


@inline
def _encode_block(series, reference, first, last, before, span, codes, whole):
    """Write the codes of a block; tell of each series if all of its bars are there and are numbers."""
    middle, scale, n_values = span[0], span[1], reference.size
    for number in range(series.size):
        values, out = _values(series[number], n_values), codes[number]
        unknown = np.uint8(not 0.0 < scale < np.inf or last > n_values)
        if before == 1 and np.isnan(values[first - 1]):
            unknown = np.uint8(1)
        if unknown == 0:
            for octet in range((last - first) // OCTET):
                bar = first + OCTET * octet
                unknown |= encode_octet(values, reference, bar, middle, scale, out, OCTET * octet)
        whole[number] = unknown == 0


@inline
def _fetch(wanted, pair, first, last):
    """Have the lines fetched that the planes of a pair, if there is one, are written to: each would be a wait."""
    for reading in range(READINGS if pair < wanted.shape[0] else 0):
        if wanted[pair, reading] != _NONE:
            for word in range(first, last, _LINE_WORDS):
                fetch_to_write(wanted[pair, reading] + np.uint64(word) * np.uint64(WORD_BYTES))


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
        span, reference = spans[block], _values(staying[np.int64(spans[block, 2])], n_values)
        if encoded == 0:
            _encode_block(staying, reference, bar, behind, before, span, codes[block], whole[block])
        _encode_block(passing, reference, bar, behind, before, span, passing_codes, passing_whole)
        stop, crossing = last - first + 1, before == 1
        # Views and calls of each pair would count references: half of the time of a comparison.
        over, same = states[ABOVE, 1:stop], states[BELOW, 1:stop]
        staying_at, passing_at = codes[block].ctypes.data, passing_codes.ctypes.data
        for pair in range(sides.shape[0]):
            _fetch(wanted, pair + 1, first, last)
            one, other = sides[pair, 0], sides[pair, 1]
            left, right = _values(staying[one], n_values), _values(passing[other], n_values)
            if not (whole[block, one] and passing_whole[other]):
                write_by_numbers(left, right, bar, crossing, states, stop, wanted[pair], first)
                continue
            left_codes, right_codes = _row_at(staying_at, one), _row_at(passing_at, other)
            if not tell_by_codes(left, right, left_codes, right_codes, bar, over, same):
                write_same(left, right, bar, crossing, states, stop, wanted[pair], first)
                continue
            for reading in range(READINGS):
                address = wanted[pair, reading]
                if address != _NONE:
                    write_told(left, right, bar, crossing, over, reading, words_at(address, first, stop - 1))
    end = _EVERY >> np.uint64(n_words * WORD_BITS - n_bars)
    for pair in range(sides.shape[0]):
        for reading in range(READINGS):
            if wanted[pair, reading] != _NONE:
                carray(_word_pointer(wanted[pair, reading]), (n_words,))[n_words - 1] &= end
