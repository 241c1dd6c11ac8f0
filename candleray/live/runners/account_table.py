"""The accounts of all runs of a shard, whatever bars they trade on, in arrays that change as runs come and go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from candleray.live.paper_accounts import PaperAccounts, Stepped
from candleray.live.runners.attached_run import AttachedRun
from candleray.live.runners.lane_bars import LaneBars, tapes_of
from kernels.bits import words
from kernels.live.paper_accounts import PAPER_ACCOUNT


class AccountTable:
    def __init__(self) -> None:
        self._runs: list[AttachedRun | None] = []
        self._states = np.empty(0, PAPER_ACCOUNT)
        self._accounts: PaperAccounts | None = None
        self._first_rows: IntArray = np.empty(0, np.int64)
        self._truths = np.empty((0, 2, 1), np.uint64)

    def add(self, run: AttachedRun, state: NDArray[np.void]) -> None:
        """Keep a run's account from here on."""
        run.place = len(self._runs)
        self._runs.append(run)
        self._states = np.concatenate([self._states, state])
        self._accounts = None

    def remove(self, run: AttachedRun) -> None:
        self._runs[run.place] = None
        self._accounts = None

    def state(self, run: AttachedRun) -> np.void:
        """The account, a record of `PAPER_ACCOUNT`."""
        state: np.void = self._states[run.place]
        return state

    def step(
        self,
        runs: Sequence[AttachedRun],
        truths: Sequence[NDArray[np.uint64]],
        lane_of: IntArray,
        bars: Sequence[LaneBars],
    ) -> tuple[IntArray, Stepped]:
        """Take some runs through the new bars of their lanes, as many of each; return their signals before, too.

        Args:
            truths: the planes of each one's conditions on these bars.
            lane_of: the place of each one's lane among the `bars`.
        """
        accounts = self._joined()
        places = np.array([run.place for run in runs], np.int64)
        every = self._room(words(len(bars[0].candles)))
        for run, planes in zip(runs, truths, strict=True):
            first = self._first_rows[run.place]
            every[first : first + len(planes)] = planes
        before = self._states["signal"][places]
        return before, accounts.step(places, lane_of, tapes_of(bars), every)

    def _room(self, n_words: int) -> NDArray[np.uint64]:
        if self._truths.shape[2] != n_words:
            self._truths = np.zeros((*self._truths.shape[:2], n_words), np.uint64)
        return self._truths

    def _joined(self) -> PaperAccounts:
        """The accounts of those that are there now."""
        if self._accounts is None:
            kept = [run for run in self._runs if run is not None]
            self._states = self._states[[run.place for run in kept]]
            for place, run in enumerate(kept):
                run.place = place
            self._runs = [*kept]
            counts = [run.conditions for run in kept]
            self._first_rows = np.cumsum([0, *counts], dtype=np.int64)
            self._truths = np.zeros((int(self._first_rows[-1]), 2, 1), np.uint64)
            terms = [run.terms.behind(int(first)) for run, first in zip(kept, self._first_rows, strict=False)]
            joined = PaperAccounts.of_terms(terms)
            self._accounts = PaperAccounts(joined.terms, joined.decisions, self._states)
        return self._accounts
