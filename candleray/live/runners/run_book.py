"""The live runs of a shard: closed minutes in, events out, without any reading or writing.

All runs of a lane see the same bars; the accounts of all lanes step together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import numpy as np

from candleray.candles import Candles
from candleray.errors import CandlerayError, in_words
from candleray.live.bars.lane_bars import LaneBars
from candleray.live.bars.minute_tape import MinuteTape
from candleray.live.event_bodies import SIGNALS, side_of
from candleray.live.runners.account_table import AccountTable
from candleray.live.runners.attached_run import AttachedRun
from candleray.live.runners.bar_events import gap_events, in_order, signal_events, trade_events
from candleray.live.runners.lane import NEVER_MS, History, Lane
from candleray.live.runners.saved_lanes import Wanted, restored_lane, saved_lane
from candleray.live.runners.strategy import strategy_of
from candleray.live.sessions import LiveRun
from candleray.live.snapshots.packing import Tree
from candleray.live.standing import RunStanding
from candleray.live.stores.event_store import NewEvent
from candleray.logs import get_logger
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, iso
from kernels.live.series_steps import take_steps

log = get_logger("runners")

ALL_BARS = 2**31


class StaleHistory(ValueError):
    """The history that a run was given ends before what is kept here of the minutes since: read it again."""


@dataclass
class Advanced:
    """The outcome of going on."""

    events: list[NewEvent] = field(default_factory=list)
    bars: int = 0
    """Bars that runs have taken, each run's counted."""
    taken_ms: dict[Instrument, int] = field(default_factory=dict)
    """The last minute that all runs of an instrument have taken, where it has moved; their own, not what they
    read besides."""
    is_piece: bool = False
    """More may be left to take."""
    failed: dict[UUID, str] = field(default_factory=dict)
    """Runs that cannot go on, which are detached, each with the reason for its owner."""


class _Moved(NamedTuple):
    lane: Lane
    bars: LaneBars


class RunBook:
    def __init__(self, backtest: BacktestSettings) -> None:
        self._max_gap_minutes = backtest.max_gap_hours * 60
        self._runs: dict[UUID, tuple[AttachedRun, Lane]] = {}
        self._lanes: list[Lane] = []
        self._tapes: dict[Instrument, MinuteTape] = {}
        self._accounts = AccountTable()
        self._told_ms: dict[Instrument, int] = {}
        self._unsettled = False

    @property
    def instruments(self) -> set[Instrument]:
        """The instruments that runs trade on."""
        return {lane.key.instrument for lane in self._lanes}

    @property
    def reads(self) -> set[Instrument]:
        """The instruments whose minutes are wanted: those, and others that conditions read."""
        return set(self._tapes)

    def runs_of(self, instrument: Instrument) -> list[LiveRun]:
        """The runs that trade on an instrument."""
        return [run.live for lane in self._lanes if lane.key.instrument == instrument for run in lane.runs]

    def decided_ms(self, instrument: Instrument) -> int | None:
        """The first minute that is not decided; None for an instrument that is not read."""
        tape = self._tapes.get(instrument)
        return None if tape is None else tape.decided_ms

    def attach(
        self,
        live: LiveRun,
        spec: StrategySpec,
        history: Mapping[Instrument, Candles],
        decided_ms: Mapping[Instrument, int],
        told_until_ms: int | None,
    ) -> list[NewEvent]:
        """Take a run up; return what it has to say of its bars so far.

        Args:
            history: the minutes that its session received, from the first ones of `sources_of` on.
            decided_ms: of each instrument the first minute that the history does not decide.
            told_until_ms: what bars that close by then have to say is known already.

        Raises:
            InvalidInput: the strategy cannot run; the message is for its owner.
            StaleHistory: minutes after the history have been forgotten.
            ValueError: it is attached already, or minutes do not ascend.
        """
        if live.run.run_id in self._runs:
            raise ValueError(f"run {live.run.run_id} is attached already")
        strategy = strategy_of(live, spec)
        for instrument in strategy.key.instruments:
            self._refuse_forgotten(instrument, decided_ms[instrument])
        given = {one: History(history[one], decided_ms[one]) for one in strategy.key.instruments}
        lane, run = Lane(strategy, given, self._max_gap_minutes), AttachedRun(live, strategy)
        bars = lane.advance({}, min(part.decided_ms for part in given.values()))
        told_until_ms = NEVER_MS if told_until_ms is None else told_until_ms
        account, events = run.catch_up(bars, told_until_ms)
        for instrument, part in given.items():
            self._tapes.setdefault(instrument, MinuteTape(part.decided_ms))
        self._accounts.add(run, account)
        self._add(lane, [run])
        return in_order([*gap_events(live, bars.gaps, told_until_ms), *events])

    def _add(self, lane: Lane, runs: Sequence[AttachedRun]) -> None:
        for run in runs:
            self._runs[run.run_id] = run, lane
        lane.add(runs)
        self._lanes.append(lane)
        self._told_ms.pop(lane.key.instrument, None)  # it may be behind the others
        self._unsettled = True

    def saved(self, instrument: Instrument) -> list[Tree]:
        """The lanes on an instrument, as `restore` takes them, but for those with minutes of their own to take."""
        self._settle()
        lanes = [lane for lane in self._lanes if lane.key.instrument == instrument and not lane.has_history]
        return [saved_lane(lane, self._accounts.state) for lane in lanes]

    def restore(self, saved: Tree, wanted: Sequence[Wanted], told_until_ms: int) -> set[UUID]:
        """Take runs of a saved lane up as they were then; return those that are there now.

        Minutes since then are to be handed in. Of several lanes the one that has come least far is restored first.

        Args:
            told_until_ms: what bars that close by then have to say is known already.

        Raises:
            StaleHistory: some of those minutes have been forgotten.
        """
        new = [one for one in wanted if one.live.run.run_id not in self._runs]
        found = restored_lane(saved, new, self._max_gap_minutes)
        if found is None:
            return set()
        lane, runs = found
        lane.told_until_ms = told_until_ms
        for instrument in lane.key.instruments:
            self._refuse_forgotten(instrument, lane.position_ms)
        for instrument in lane.key.instruments:
            self._tapes.setdefault(instrument, MinuteTape(lane.position_ms))
        for run, account in runs:
            self._accounts.add(run, account)
        self._add(lane, [run for run, _ in runs])
        return {run.run_id for run, _ in runs}

    def _refuse_forgotten(self, instrument: Instrument, decided_ms: int) -> None:
        tape = self._tapes.get(instrument)
        if tape is not None and decided_ms < tape.first_ms:
            raise StaleHistory(f"{instrument.key} up to {iso(decided_ms)}, kept from {iso(tape.first_ms)} on")

    def detach(self, run_id: UUID) -> None:
        """Let go of a run; of one that is not there nothing happens."""
        run, lane = self._runs.pop(run_id, (None, None))
        if run is None or lane is None:
            return
        self._accounts.remove(run)
        lane.remove(run)
        if not lane.runs:
            self._lanes.remove(lane)
            read = {instrument for each in self._lanes for instrument in each.key.instruments}
            self._tapes = {instrument: tape for instrument, tape in self._tapes.items() if instrument in read}
            self._told_ms = {one: told for one, told in self._told_ms.items() if one in read}

    def take(self, instrument: Instrument, minutes: Candles, decided_ms: int) -> None:
        """Hand in minutes of an instrument; of one that is not read nothing happens.

        Args:
            decided_ms: the first minute that is not decided. A minute before it that does not come with these is
                absent by verdict; one that was decided before stays as it was.

        Raises:
            ValueError: a minute is not decided, or minutes do not ascend.
        """
        tape = self._tapes.get(instrument)
        if tape is not None:
            tape.take(minutes, decided_ms)

    def advance(self, most_bars: int = ALL_BARS) -> Advanced:
        """Take the bars that have come, one of each lane at a time; of each so many at most."""
        outcome = Advanced()
        self._settle()
        for left in range(most_bars, -1, -1):
            if not left or not (moved := self._moved()):
                outcome.is_piece = not left
                break
            for lane, bars in moved:
                for run in lane.runs if bars.gaps else ():
                    outcome.events += gap_events(run.live, bars.gaps, lane.told_until_ms)
            self._step([one for one in moved if len(one.bars.candles)], outcome)
        for run_id in outcome.failed:
            self.detach(run_id)
        outcome.events = in_order(outcome.events)
        outcome.taken_ms = self._newly_taken()
        self._forget()
        return outcome

    def standings(self, run_ids: Collection[UUID] | None = None) -> list[RunStanding]:
        """The standings of these runs, of those that are there; of all."""
        chosen = self._runs if run_ids is None else [run_id for run_id in run_ids if run_id in self._runs]
        return [self._standing(*self._runs[run_id]) for run_id in chosen]

    def _standing(self, run: AttachedRun, lane: Lane) -> RunStanding:
        account = self._accounts.state(run)
        is_open = account["side"] != 0.0
        equity, first = float(account["equity"]), run.init_cash_quote
        return RunStanding(
            run_id=run.run_id,
            session=run.live.last.session,
            last_bar=None if run.last_bar_ms is None else from_ms(run.last_bar_ms),
            signal=SIGNALS[account["signal"]],
            side=side_of(account["side"]) if is_open else None,
            quantity=float(account["quantity"]) if is_open else 0.0,
            entry_price=float(account["fill"]) if is_open else None,
            equity_quote=equity,
            return_pct=100.0 * (equity / first - 1.0),
            trades=int(account["trades"]),
            waits_for=lane.waits_for(self._tapes),
        )

    def _moved(self) -> list[_Moved]:
        """Let each lane take what is decided, up to the end of a bar; those that have moved."""
        moved = []
        for lane in self._lanes:
            stop_ms = min(lane.all_decided_ms(self._tapes), lane.bar_end_ms)
            if stop_ms > lane.position_ms:
                moved.append(_Moved(lane, lane.advance(self._tapes, stop_ms)))
        return moved

    def _step(self, moved: Sequence[_Moved], outcome: Advanced) -> None:
        runs, lane_of = [], []
        take_steps([lane.steps for lane, _ in moved])
        for at, (lane, bars) in enumerate(moved):
            open_ms = int(bars.opens_ms[0])
            for run in lane.runs:
                if outcome.failed and run.run_id in outcome.failed:
                    continue
                run.last_bar_ms = open_ms
                try:
                    if not run.is_stepped:
                        run.take(bars, open_ms)
                except Exception as error:  # noqa: BLE001 - whatever it was: the others go on
                    _fail(run, error, bars, outcome)
                    continue
                if open_ms >= run.live_from_ms:
                    runs.append(run)
                    lane_of.append(at)
        outcome.bars += len(runs)
        if runs:
            self._accounts.compare()
            self._step_accounts(runs, lane_of, [bars for _, bars in moved], outcome)

    def _step_accounts(
        self, runs: Sequence[AttachedRun], lane_of: Sequence[int], bars: Sequence[LaneBars], outcome: Advanced
    ) -> None:
        try:
            before, stepped = self._accounts.step(runs, np.array(lane_of), bars)
        except ValueError as error:
            # Nobody has moved: one by one, so that one run's fault is its own.
            if len(runs) == 1:
                _fail(runs[0], error, bars[lane_of[0]], outcome)
                return
            for run, at in zip(runs, lane_of, strict=True):
                self._step_accounts([run], [0], [bars[at]], outcome)
            return
        if any(each.are_told for each in bars):
            new = [row for row, at in enumerate(lane_of) if not bars[at].are_told]
            runs, lane_of = [runs[row] for row in new], [lane_of[row] for row in new]
            before, stepped = before[new], stepped.of(new, [run.place for run in runs])
        candles = [bars[at].candles for at in lane_of]
        outcome.events += signal_events([run.live for run in runs], candles, before, stepped.signals)
        outcome.events += trade_events({run.place: run.live for run in runs}, stepped.events)

    def _newly_taken(self) -> dict[Instrument, int]:
        taken: dict[Instrument, int] = {}
        for lane in self._lanes:
            last_ms = lane.position_ms - MINUTE_MS
            instrument = lane.key.instrument
            taken[instrument] = min(last_ms, taken.get(instrument, last_ms))
        new = {one: last_ms for one, last_ms in taken.items() if last_ms > self._told_ms.get(one, NEVER_MS)}
        self._told_ms |= new
        return new

    def _settle(self) -> None:
        """Lay everything out for those that are there; make one lane of those that see the same from now on."""
        self._accounts.settle()
        if not self._unsettled:
            return
        found: dict[object, Lane] = {}
        of_key = Counter(lane.key for lane in self._lanes)
        for lane in self._lanes:
            state = lane.state if of_key[lane.key] > 1 else None
            first = lane if state is None else found.setdefault((lane.key, state), lane)
            if first is not lane:
                for run in lane.runs:
                    self._runs[run.run_id] = run, first
                first.join(lane)
        self._lanes = [lane for lane in self._lanes if lane.runs]
        for lane in self._lanes:
            if not lane.is_seated:
                lane.seat()
        self._unsettled = len({lane.key for lane in self._lanes}) < len(self._lanes)

    def _forget(self) -> None:
        taken: dict[Instrument, int] = {}
        for lane in self._lanes:
            for instrument in lane.key.instruments:
                taken[instrument] = min(lane.position_ms, taken.get(instrument, lane.position_ms))
        for instrument, tape in self._tapes.items():
            tape.forget(taken[instrument])


def _fail(run: AttachedRun, error: Exception, bars: LaneBars, outcome: Advanced) -> None:
    log.error("run_broken", run_id=str(run.run_id), exc_info=error)
    told = error.message if isinstance(error, CandlerayError) else in_words(error)
    outcome.failed[run.run_id] = f"cannot take the bar of {iso(int(bars.opens_ms[0]))}: {told}"
