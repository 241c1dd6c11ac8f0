"""Copies of values from one array into another, in compiled code."""

from __future__ import annotations

from kernels.jit import inline


@inline
def copy(values, out):
    """Write as many values as `out` has room for; `out` may lie over them if it begins before them.

    `out[:] = values` does that too, but with it numba compiles what says in words that two shapes differ: 3 s of a
    process's first compilation, and more in every function that is compiled around it.
    """
    for i in range(out.size):
        out[i] = values[i]
