"""The layout of signal planes, one bit a bar and 64 a word, and planes that are read where they lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernels import bits
from kernels.jit import INT, WORD, WORDS, WORDS_OUT, jit

FLAGS = st.integers(0, 300).flatmap(lambda n: arrays(np.bool_, (2, n)))


@jit(WORD, INT, WORDS_OUT)
def copy_long_plane(address, n_words, out):
    out[:] = bits.plane_at(address, n_words)[0]


@jit(WORDS, WORDS_OUT, WORDS_OUT)
def count_bits(words, ones, lowest):
    for i in range(words.size):
        ones[i] = bits.popcount(words[i])
        lowest[i] = bits.trailing_zeros(words[i])


@given(FLAGS)
def test_bit_t_is_bit_t_mod_64_of_word_t_div_64(flags):
    planes = bits.pack(flags)
    assert planes.shape == (2, bits.words(flags.shape[1]))
    for side in range(2):
        for t in range(flags.shape[1]):
            assert int(planes[side, t // 64]) >> (t % 64) & 1 == flags[side, t]


@given(FLAGS)
def test_unpack_inverts_pack_and_the_tail_is_zero(flags):
    planes = bits.pack(flags)
    n = flags.shape[1]
    assert (bits.unpack(planes, n) == flags).all()
    assert not bits.unpack(planes, planes.shape[1] * 64)[:, n:].any()


@pytest.mark.parametrize(("n_bars", "n_words"), [(0, 0), (1, 1), (64, 1), (65, 2), (525_600, 8213)])
def test_a_word_holds_64_bars(n_bars, n_words):
    assert bits.words(n_bars) == n_words


@given(arrays(np.uint64, 20, elements=st.integers(0, 2**64 - 1)))
def test_popcount_and_trailing_zeros_agree_with_python(words):
    ones, lowest = np.empty(20, np.uint64), np.empty(20, np.uint64)
    count_bits(words, ones, lowest)
    for word, n_ones, low in zip(words.tolist(), ones.tolist(), lowest.tolist(), strict=True):
        assert n_ones == word.bit_count()
        assert low == ((word & -word).bit_length() - 1 if word else 64)


def test_planes_in_many_chunks_are_read_where_they_lie():
    rng = np.random.default_rng(7)
    chunks = [rng.integers(0, 2**63, (k, 2, 3)).astype(np.uint64) for k in (2, 0, 3)]
    for chunk in chunks:
        chunk.flags.writeable = False
    addresses = bits.plane_addresses(chunks)
    assert addresses.dtype == np.uint64
    out = np.empty(3, np.uint64)
    for address, plane in zip(addresses, np.concatenate(chunks), strict=True):
        copy_long_plane(int(address), 3, out)
        assert (out == plane[0]).all()


def test_no_chunks_have_no_addresses():
    assert bits.plane_addresses([]).size == 0


@pytest.mark.parametrize(
    "chunk",
    [
        np.zeros((1, 2, 3), np.int64),
        np.zeros((2, 3), np.uint64),
        np.zeros((1, 3, 3), np.uint64),
        np.zeros((1, 2, 6), np.uint64)[..., ::2],
    ],
)
def test_a_chunk_of_another_layout_is_refused(chunk):
    with pytest.raises(ValueError, match=r"uint64\[k, 2, words\]"):
        bits.plane_addresses([chunk])


def test_chunks_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="do not go together"):
        bits.plane_addresses([np.zeros((1, 2, 3), np.uint64), np.zeros((1, 2, 4), np.uint64)])
