"""Paper accounts of runs: what a strategy is to the step of one bar, and the accounts of many stepped together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candleray.candles import FloatArray, IntArray
from candleray.search.kernel_types import trading_rules
from candleray.search.variants import VariantGrid
from kernels.live.bar_signals import Decisions, bar_signals
from kernels.live.paper_accounts import TERMS, Terms, new_accounts
from kernels.live.steps import Tapes, step_accounts
from kernels.simulation.programs import Program


class RunTerms(NamedTuple):
    """The part of a run that its account needs: a strategy's request takes a hundred times as much room."""

    record: tuple[float, ...]
    """A record of `kernels.live.paper_accounts.TERMS`."""
    rows: tuple[int, ...]
    """The rows of truths that the strategy's program reads, two rows a condition."""
    program: Program

    @property
    def init_cash_quote(self) -> float:
        return float(self.record[(TERMS.names or ()).index("init_cash_quote")])

    def behind(self, conditions: int) -> RunTerms:
        """The same run where its truths come after those of so many other conditions."""
        return self._replace(rows=tuple(row + 2 * conditions for row in self.rows))


class PaperRun(NamedTuple):
    """A run as its account sees it."""

    grid: VariantGrid
    """The strategy's request, resolved: a grid of one variant."""
    conditions: Sequence[int]
    """The places of the grid's groups (its indicators, or the conditions of its signals) among all truths."""

    @property
    def terms(self) -> Terms:
        risk = self.grid.risk(0)
        return Terms(trading_rules(self.grid.request), risk["sl_pct"], risk["tp_pct"])

    @property
    def rows(self) -> list[int]:
        """The rows of truths that the strategy's program reads, two rows a condition."""
        if self.grid.numbering.plane_rows == 2:
            return [2 * place for place in self.conditions]
        # Where a search keeps one row of each pair, its program means that one.
        kept = (group.rows[0] for group in self.grid.groups)
        return [2 * place + row for place, row in zip(self.conditions, kept, strict=True)]

    @property
    def kept(self) -> RunTerms:
        """
        Raises:
            ValueError: for a run of more than one variant, or without a truth for each condition.
        """
        if self.grid.size != 1 or len(self.conditions) != len(self.grid.groups):
            groups = len(self.grid.groups)
            raise ValueError(
                f"a run is one variant with a truth for each of its {groups} conditions: "
                f"{self.grid.size} variants, {len(self.conditions)} truths"
            )
        return RunTerms(self.terms.record, tuple(self.rows), self.grid.numbering.program)


@dataclass(frozen=True)
class Stepped:
    """The outcome of a step, a row of `equity`, `signals` and `conflicts` for each run that took it."""

    events: NDArray[np.void]
    """Records of `kernels.live.trade_events.TRADE_EVENT`, run by run; `account` is the run's place."""
    equity: FloatArray
    """The equity at the close of each bar. What a bar behind a gap says of the one before it is in its events."""
    signals: NDArray[np.uint8]
    """The bits of `kernels.live.paper_accounts`."""
    conflicts: IntArray
    """Bars on which a run's two sides signal together."""

    def of(self, rows: Sequence[int], places: Sequence[int]) -> Stepped:
        """The outcome for some of the runs alone.

        Args:
            rows: theirs.
            places: theirs among all accounts.
        """
        events = self.events[np.isin(self.events["account"], places)]
        kept = np.array(rows, np.int64)
        return Stepped(events, self.equity[kept], self.signals[kept], self.conflicts[kept])


@dataclass(frozen=True)
class PaperAccounts:
    """The accounts of some runs, a place each, in arrays. Nothing else is kept of what the bars have done.

    An account comes back by the same step over the bars since the run began.
    """

    terms: NDArray[np.void]
    decisions: Decisions
    states: NDArray[np.void]
    """Records of `kernels.live.paper_accounts.PAPER_ACCOUNT`, changed by each step."""

    @classmethod
    def of(cls, runs: Sequence[PaperRun]) -> PaperAccounts:
        """Accounts before their first bar.

        Raises:
            ValueError: for a run of more than one variant, or without a truth for each condition.
        """
        return cls.of_terms([run.kept for run in runs])

    @classmethod
    def of_terms(cls, runs: Sequence[RunTerms]) -> PaperAccounts:
        """Accounts before their first bar.

        Raises:
            ValueError: for a run without conditions.
        """
        terms = np.array([run.record for run in runs], TERMS)
        decisions = Decisions.of([(run.rows, run.program) for run in runs])
        return cls(terms, decisions, new_accounts(terms))

    def step(self, places: IntArray, tape_of: IntArray, tapes: Tapes, truths: NDArray[np.uint64]) -> Stepped:
        """Take the runs at these places through the new bars of their tapes.

        Args:
            tape_of: the row of each one's tape.
            truths: `(conditions, 2, words)`: pairs of planes of these bars, as `kernels.bits` has them.

        Raises:
            ValueError: for arrays that do not go together, or a bar that a run has seen.
        """
        signals, conflicts = bar_signals(self.decisions, self.terms, places, truths, tapes.bars.shape[1])
        events, equity = step_accounts(self.states, self.terms, places, tape_of, tapes, signals)
        return Stepped(events, equity, signals, conflicts)
