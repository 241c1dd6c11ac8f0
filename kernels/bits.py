"""Signal planes: one bit a bar, and how to walk planes that lie in many places of shared memory.

Bit `t` of a plane is bit `t % 64` of word `t // 64`, the lowest first; bits past the last bar are zero. A plane
pair is `uint64[2, words]`, long and short.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from kernels.jit import WORD, inline, pointer_to

WORD_BITS = 64
WORD_BYTES = 8


def words(n_bars: int) -> int:
    """The number of words in a plane of so many bars."""
    return (n_bars + WORD_BITS - 1) // WORD_BITS


def pack(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Flags `(…, n_bars)` as planes `(…, words)`."""
    packed = np.packbits(flags, axis=-1, bitorder="little")
    whole = np.zeros((*flags.shape[:-1], words(flags.shape[-1]) * 8), np.uint8)
    whole[..., : packed.shape[-1]] = packed
    return whole.view("<u8")


def unpack(planes: NDArray[np.uint64], n_bars: int) -> NDArray[np.bool_]:
    """Planes `(…, words)` as flags `(…, n_bars)`."""
    octets = np.ascontiguousarray(planes).view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=n_bars, bitorder="little").view(np.bool_)


def plane_addresses(chunks: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """The memory address of every plane pair of `chunks`, each `uint64[k, 2, words]` and C-contiguous, in order.

    Where a program reads one row of each pair alone, chunks may be `uint64[k, 1, words]`. Nothing is copied, so
    the caller keeps the chunks alive while the addresses are in use.

    Raises:
        ValueError: for a chunk of another layout, or of another number of words than the first.
    """
    for chunk in chunks:
        rows = chunk.shape[1] if chunk.ndim == 3 else 0
        if chunk.dtype != np.uint64 or rows not in (1, 2) or not chunk.flags.c_contiguous:
            raise ValueError(
                f"a chunk of planes is uint64[k, 2, words], C-contiguous: got {chunk.dtype}{chunk.shape}"
            )
        if rows != chunks[0].shape[1]:
            raise ValueError(f"planes of {rows} and of {chunks[0].shape[1]} rows do not go together")
        if chunk.shape[2] != chunks[0].shape[2]:
            raise ValueError(f"planes of {chunk.shape[2]} and of {chunks[0].shape[2]} words do not go together")
    return row_addresses(chunks)


def row_addresses(chunks: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """The memory address of each `chunk[i]`, one chunk after the other."""
    rows = [chunk.ctypes.data + chunk.strides[0] * np.arange(chunk.shape[0]) for chunk in chunks]
    return np.concatenate(rows).astype(np.uint64) if rows else np.empty(0, np.uint64)


@intrinsic
def popcount(typing_context, word):
    """The number of bits of a word that are set."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def trailing_zeros(typing_context, word):
    """The lowest set bit of a word; 64 for zero."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.uint64(types.uint64), generate


_word_pointer = pointer_to(WORD)


@inline
def plane_at(address, n_words):
    """The plane pair at an address as an array `uint64[2, n_words]`; for compiled code."""
    return carray(_word_pointer(address), (2, n_words))


@inline
def row_at(address, n_words):
    """The words at an address as an array; for compiled code."""
    return carray(_word_pointer(address), (n_words,))
