"""The final signals of new bars, from the truths of the conditions that runs are made of.

Truths are planes of the new bars alone, most often of one. So the functions that decide a variant over all bars of
a search decide a run over these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, words
from kernels.comparisons import OCTET_ROWS_OUT
from kernels.jit import INT_ROWS, INTS, INTS_OUT, WORDS, inline, jit, record_of
from kernels.live.paper_accounts import TERMS_ROWS
from kernels.simulation.final_signals import (
    LONG_EXITS,
    LONGS,
    SHORT_EXITS,
    SHORTS,
    close_by_rule,
    decide,
    empty_final,
    has_own_exits,
    partial_ands,
)
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.programs import ABSENT, Program


class Decisions(NamedTuple):
    """The conditions of some runs and how each joins its own; `of` makes them."""

    rows: NDArray[np.int64]
    """The rows of truths that the runs read, those of one run after those of another."""
    first_row: NDArray[np.int64]
    """The place of each run's first one; a last number ends the last run's, as of the following."""
    nodes: NDArray[np.int64]
    first_node: NDArray[np.int64]
    roots: NDArray[np.int64]
    first_root: NDArray[np.int64]

    @classmethod
    def of(cls, runs: Sequence[tuple[Sequence[int], Program | None]]) -> Decisions:
        """
        Args:
            runs: of each one the rows of its truths and the program that joins them; without a program, they are
                pairs of long and short signals, and the final signal is the AND of them. A pair is named by its
                first row, a program's single plane by its own.

        Raises:
            ValueError: for a run without conditions.
        """
        if not all(len(rows) for rows, _ in runs):
            raise ValueError("a run has one condition at least")
        programs = [program or Program.none() for _, program in runs]
        for (rows, _), program in zip(runs, programs, strict=True):
            if program.roots.size:
                program.of_variant().check(len(rows), len(rows), np.ones(1, np.int64))
        return cls(
            np.array([row for rows, _ in runs for row in rows], np.int64),
            _firsts([len(rows) for rows, _ in runs]),
            np.concatenate([np.empty((0, 4), np.int64), *(one.nodes for one in programs)]),
            _firsts([len(one.nodes) for one in programs]),
            np.concatenate([np.empty(0, np.int64), *(one.roots for one in programs)]),
            _firsts([one.roots.size for one in programs]),
        )


def _firsts(counts: list[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts], dtype=np.int64)


DECISIONS = record_of(Decisions, INTS, INTS, INT_ROWS, INTS, INTS, INTS)
"""The compiled type of `Decisions`."""


def bar_signals(
    decisions: Decisions,
    terms: NDArray[np.void],
    places: NDArray[np.int64],
    truths: NDArray[np.uint64],
    n_bars: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The signals of some runs on each new bar, `(runs, bars)`, and on how many of the bars each one's conflict.

    Signals have the bits `LONG_BIT` and its like of `paper_accounts`.

    Args:
        places: the runs, among the `decisions` and the `terms`.
        truths: `(conditions, 2, words)`, C-contiguous: pairs of planes of the new bars. Row `2 · i + j` is row `j`
            of condition `i`.

    Raises:
        ValueError: for places or rows that are not there.
    """
    n_runs, n_rows, n_words = decisions.first_row.size - 1, 2 * truths.shape[0], words(n_bars)
    if terms.size != n_runs or (places.size and not 0 <= places.min() <= places.max() < n_runs):
        raise ValueError(f"places {places.tolist()[:5]} among {n_runs} decisions and {terms.size} terms")
    if truths.dtype != np.uint64 or truths.shape[1:] != (2, n_words) or not truths.flags.c_contiguous:
        raise ValueError(f"truths are uint64[k, 2, {n_words}], C-contiguous: got {truths.dtype}{truths.shape}")
    if decisions.rows.size and not 0 <= decisions.rows.min() <= decisions.rows.max() < n_rows:
        raise ValueError(f"rows {decisions.rows.min()} to {decisions.rows.max()} of {n_rows} of truths")
    addresses = (truths.ctypes.data + decisions.rows * (8 * n_words)).astype(np.uint64)
    signals = np.empty((places.size, n_bars), np.uint8)
    conflicts = np.empty(places.size, np.int64)
    _decide(decisions, terms, places, addresses, signals, conflicts)
    return signals, conflicts


@inline
def _planes_of(decisions, run, addresses):
    """A run's truths as the grid of one variant."""
    first, stop = decisions.first_row[run], decisions.first_row[run + 1]
    roots = decisions.roots[decisions.first_root[run] : decisions.first_root[run + 1]]
    nodes = decisions.nodes[decisions.first_node[run] : decisions.first_node[run + 1]]
    count = stop - first
    n_axes = count if roots.size == 0 else 1
    places = np.full((count, 1), ABSENT)
    program = Program(nodes, roots, places, np.empty(0, np.int64))
    return PlaneGrid(addresses[first:stop], np.arange(count), np.ones(n_axes, np.int64), program)


@inline
def _exits_by_rule(final, exit_on, exits):
    """Write the bars that close a position where no exit is a condition of its own."""
    close_by_rule(final[LONGS], final[SHORTS], exit_on, exits[0])
    close_by_rule(final[SHORTS], final[LONGS], exit_on, exits[1])


@inline
def _bit(plane, bar):
    return np.uint8(plane[bar // WORD_BITS] >> np.uint64(bar % WORD_BITS) & np.uint64(1))


@jit(DECISIONS, TERMS_ROWS, INTS, WORDS, OCTET_ROWS_OUT, INTS_OUT)
def _decide(decisions, terms, places, addresses, signals, conflicts):
    n_bars = signals.shape[1]
    for row in range(places.size):
        run = places[row]
        planes = _planes_of(decisions, run, addresses)
        final = empty_final(planes, n_bars)
        partial = partial_ands(planes, final)
        conflicts[row] = decide(0, planes, partial, final, terms[run])
        exits = final[LONG_EXITS:]
        if not has_own_exits(final):
            exits = np.empty_like(final)
            _exits_by_rule(final, terms[run].exit_on, exits)
        for bar in range(n_bars):
            said = _bit(final[LONGS], bar) << np.uint8(LONGS) | _bit(final[SHORTS], bar) << np.uint8(SHORTS)
            said |= _bit(exits[0], bar) << np.uint8(LONG_EXITS) | _bit(exits[1], bar) << np.uint8(SHORT_EXITS)
            signals[row, bar] = said
