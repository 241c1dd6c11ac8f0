"""One pair of series within a block of bars: which is above, word by word, and the planes that follow from it.

Mostly codes tell the two apart on every bar of a block: then one comparison a bar and one formula a word make each
plane. Where two numbers are the same or missing, each of four states of a bar is written down.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from kernels.bits import WORD_BITS, popcount, trailing_zeros
from kernels.codes import CODE_BYTES, compare_codes
from kernels.comparisons import OCTET, above, at_most
from kernels.copying import copy
from kernels.jit import WORD, inline, pointer_to, splice

READINGS = 4
"""The planes that a comparison of a staying series with a passing one may give: the rows of the pair
(`kernels.pairs.HOLDS`, `FAILS`) of the first above the second, then those of the second above the first."""

MOST_LOOKED_AT = 8
"""Equal codes of a word whose numbers are compared one by one: all of its floats are 16 lines of the third cache,
and to read those made crossings of real averages take a quarter longer."""

ABOVE, _NOT_ABOVE, BELOW, _NOT_BELOW = range(READINGS)
_EVERY, _ONE, _TOP = np.uint64(0xFFFF_FFFF_FFFF_FFFF), np.uint64(1), np.uint64(WORD_BITS - 1)
_NONE = np.uint64(0)
_CODE_BYTES = np.uint64(CODE_BYTES * WORD_BITS)
_WORD_BYTES = np.uint64(WORD_BITS // 8)

_word_pointer = pointer_to(WORD)


@inline
def words_at(address, first, count):
    """Some words of the plane at an address."""
    return carray(_word_pointer(address + np.uint64(first) * _WORD_BYTES), (count,))


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
    """Compare the numbers where the codes are the same; leave in `same` the bars on which the numbers are, and
    return a bit of any such bar."""
    left_over = _NONE
    for word in range(over.size):
        equal = same[word]
        if equal == _NONE:
            continue
        first = bar + word * WORD_BITS
        if popcount(equal) > MOST_LOOKED_AT:
            over[word], at_most = _words_above(left, right, first)
            _, at_least = _words_above(right, left, first)
            same[word] = at_most & at_least
            left_over |= same[word]
            continue
        same_numbers = _NONE
        while equal != _NONE:
            place = trailing_zeros(equal)
            t = first + np.int64(place)
            over[word] |= np.uint64(left[t] > right[t]) << place
            same_numbers |= np.uint64(left[t] == right[t]) << place
            equal &= equal - _ONE
        same[word] = same_numbers
        left_over |= same_numbers
    return left_over


@inline
def _compare_numbers(left, right, bar, over, not_over):
    for word in range(over.size):
        over[word], not_over[word] = _words_above(left, right, bar + word * WORD_BITS)


@inline
def _write_before(left, right, bar, states):
    """Write the bar before a block into the top of the word before it."""
    states[ABOVE, 0] = np.uint64(left[bar] > right[bar]) << _TOP
    states[_NOT_ABOVE, 0] = np.uint64(left[bar] <= right[bar]) << _TOP
    states[BELOW, 0] = np.uint64(right[bar] > left[bar]) << _TOP
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
        copy(states[reading, 1:stop], out)
    elif reading == holds:
        _write_crossing(states[holds, :stop], states[holds + 1, :stop], out)
    else:
        _write_no_crossing(states[holds, :stop], states[holds + 1, :stop], out)


@inline
def _write_states(left, right, bar, crossing, states, stop, wanted, first):
    if crossing:
        _write_before(left, right, bar - 1, states)
    for reading in range(READINGS):
        if wanted[reading] != _NONE:
            _write_reading(reading, crossing, states, stop, words_at(wanted[reading], first, stop - 1))


@splice
def tell_by_codes(left, right, left_codes, right_codes, bar, over, same):
    """Write where the left one is above, told by codes at two addresses, and where both are the same number.

    Return True where they never are.
    """
    unclear = _NONE
    for word in range(over.size):
        place = np.uint64(word) * _CODE_BYTES
        over[word], same[word] = compare_codes(left_codes + place, right_codes + place)
        unclear |= same[word]
    return unclear == _NONE or _settle(left, right, bar, over, same) == _NONE


@splice
def write_told(left, right, bar, crossing, over, reading, out):
    """Write a plane of a block in which no two numbers are the same or missing.

    Of a crossing the bar before the block is looked at: there the two may be the same.
    """
    # The upper readings are those of the other side, odd ones say `not`.
    turned = _EVERY if reading >= BELOW else _NONE
    denied = _EVERY if reading % 2 == 1 else _NONE
    if crossing:
        was_over = right[bar - 1] > left[bar - 1] if reading >= BELOW else left[bar - 1] > right[bar - 1]
        carry = np.uint64(was_over)
        for word in range(over.size):
            now = over[word] ^ turned
            out[word] = now & ~(now << _ONE | carry) ^ denied
            carry = now >> _TOP
    else:
        for word in range(over.size):
            out[word] = over[word] ^ turned ^ denied


@inline
def write_same(left, right, bar, crossing, states, stop, wanted, first):
    """Write the planes that are wanted of a block in which some numbers are the same, and none is missing.

    Args:
        states: where the left one is above in the row of that reading, where both are the same in that of below.
    """
    over, not_over = states[ABOVE, 1:stop], states[_NOT_ABOVE, 1:stop]
    under, not_under = states[BELOW, 1:stop], states[_NOT_BELOW, 1:stop]
    for word in range(over.size):
        not_over[word] = ~over[word]
        not_under[word] = over[word] | under[word]
        under[word] = ~not_under[word]
    _write_states(left, right, bar, crossing, states, stop, wanted, first)


@inline
def write_by_numbers(left, right, bar, crossing, states, stop, wanted, first):
    """Compare the numbers themselves, and write the planes that are wanted."""
    _compare_numbers(left, right, bar, states[ABOVE, 1:stop], states[_NOT_ABOVE, 1:stop])
    if wanted[BELOW] != _NONE or wanted[_NOT_BELOW] != _NONE:
        _compare_numbers(right, left, bar, states[BELOW, 1:stop], states[_NOT_BELOW, 1:stop])
    _write_states(left, right, bar, crossing, states, stop, wanted, first)
