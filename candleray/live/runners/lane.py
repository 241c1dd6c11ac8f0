"""Runs that see the same candles from now on, and go on together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from candleray.candles import Candles
from candleray.live.bars.bar_tape import BarTape
from candleray.live.bars.lane_bars import LaneBars
from candleray.live.bars.minute_tape import MinuteTape, joined
from candleray.live.received.session_sources import instrument_of
from candleray.live.runners.attached_run import AttachedRun
from candleray.live.runners.strategy import Strategy
from candleray.live.snapshots.packing import Tree
from candleray.markets import Instrument
from candleray.search.signals.expressions import SourceKey
from candleray.timeframes import iso, minutes_of
from kernels.advance import BarWindow, with_means
from kernels.live.series_steps import SeriesSteps

NEVER_MS = -(2**62)


class History(NamedTuple):
    """The minutes of an instrument as one run was given them."""

    minutes: Candles
    decided_ms: int
    """The first minute that is not decided."""


class Lane:
    def __init__(
        self, strategy: Strategy, histories: Mapping[Instrument, History], max_gap_minutes: float
    ) -> None:
        """
        Args:
            histories: what its first run was given of each instrument; it goes on with what all get.
        """
        self.key = strategy.key
        self.runs: list[AttachedRun] = []
        self._steps: SeriesSteps | None = None
        self.is_seated = True
        """No run has come since each was given its window."""
        self.windows: list[BarWindow] = []
        """The last bars, of each history that runs differ in."""
        self.position_ms = min([strategy.first_ms, *strategy.others_ms.values()])
        """The first minute that the lane has not taken."""
        self.told_until_ms = NEVER_MS
        """Bars that close by then have been told."""
        self._histories = dict(histories)
        self._max_gap_minutes = max_gap_minutes
        self._own = BarTape(minutes_of(self.key.timeframe), strategy.first_ms)
        self._others = {
            source: BarTape(minutes_of(source.timeframe), strategy.others_ms[source]) for source in self.key.others
        }
        self._held = dict.fromkeys(self.key.others, Candles.empty())

    @property
    def state(self) -> tuple[Any, ...] | None:
        """Everything that its next bars depend on besides what all get; None while there is more of its own."""
        if self._histories:
            return None
        held = tuple((each.ts_open_ms.tobytes(), each.values.tobytes()) for each in self._held.values())
        return self.position_ms, self._own.state, tuple(tape.state for tape in self._others.values()), held

    @property
    def has_history(self) -> bool:
        """Tell if it has minutes of its own to take."""
        return bool(self._histories)

    def saved(self) -> Tree:
        """All that its next bars depend on besides what all get."""
        return {
            "timeframe": self.key.timeframe,
            "reads": [list(source) for source in self.key.others],
            "position_ms": self.position_ms,
            "own": self._own.saved(),
            "others": [tape.saved() for tape in self._others.values()],
            "held": [[each.ts_open_ms, each.values] for each in self._held.values()],
            "windows": [[window.bars, window.last(window.bars)] for window in self.windows],
        }

    def restore(self, saved: Tree) -> None:
        """Go on from there.

        Raises:
            ValueError: it is the state of another lane.
        """
        named = saved["timeframe"], [tuple(source) for source in saved["reads"]]
        if named != (self.key.timeframe, [tuple(source) for source in self.key.others]):
            raise ValueError(f"a lane of {named} is not one of {self.key}")
        self._histories.clear()
        self.position_ms = saved["position_ms"]
        self._own.restore(saved["own"])
        for tape, each in zip(self._others.values(), saved["others"], strict=True):
            tape.restore(each)
        self._held = {source: Candles(*each) for source, each in zip(self.key.others, saved["held"], strict=True)}
        self.windows = [BarWindow(values, bars) for bars, values in saved["windows"]]

    def decided_ms(self, instrument: Instrument, tapes: Mapping[Instrument, MinuteTape]) -> int:
        """The first minute of an instrument that is not decided for this lane."""
        decided_ms = tapes[instrument].decided_ms
        # To hash an instrument takes a microsecond, and there are some hundred lanes.
        history = self._histories.get(instrument) if self._histories else None
        return decided_ms if history is None else max(decided_ms, history.decided_ms)

    def all_decided_ms(self, tapes: Mapping[Instrument, MinuteTape]) -> int:
        """The first minute that is not decided of every instrument."""
        return min(self.decided_ms(instrument, tapes) for instrument in self.key.instruments)

    @property
    def bar_end_ms(self) -> int:
        """The end of the bar that is open."""
        bar_ms = self.key.bar_ms
        return (self.position_ms // bar_ms + 1) * bar_ms

    def add(self, runs: Iterable[AttachedRun]) -> None:
        self.runs += runs
        self._steps, self.is_seated = None, False

    def join(self, other: Lane) -> None:
        """Take the runs of another, which sees the same from now on."""
        self.add(other.runs)
        self.told_until_ms = max(self.told_until_ms, other.told_until_ms)
        other.runs = []

    def remove(self, run: AttachedRun) -> None:
        self.runs.remove(run)
        self._steps = None

    @property
    def steps(self) -> SeriesSteps:
        """The steps of all its runs on a new bar."""
        if self._steps is None:
            self._steps = SeriesSteps([step for run in self.runs if run.plain for step in run.plain.steps])
        return self._steps

    def seat(self) -> None:
        """Give each run that reads one the window of its bars: one for all whose last bars are the same."""
        plain = [(run, run.plain) for run in self.runs if run.plain is not None]
        self.windows, self.is_seated = [], True
        # Those that read most come first: their window serves the others.
        steps = {run.run_id: SeriesSteps(planes.steps) for run, planes in plain}
        for run, planes in sorted(plain, key=lambda one: -steps[one[0].run_id].most_bars):
            own = steps[run.run_id]
            last = planes.history if run.window is None else run.window.last(own.earlier_bars)
            if not any(run.window is one for one in self.windows):
                fits = (one for one in self.windows if one.bars >= own.most_bars and one.ends_with(last))
                window = next(fits, None) or run.window or BarWindow(last, own.most_bars)
                run.window, planes.history = window, last[:, :0].copy()
                own.read(window)
                if not any(window is one for one in self.windows):
                    self.windows.append(window)
        self._steps = SeriesSteps([step for _, planes in plain for step in planes.steps])

    def waits_for(self, tapes: Mapping[Instrument, MinuteTape]) -> str | None:
        """The instrument whose minutes are behind those of another that the runs read, in words."""
        decided_ms = {one: self.decided_ms(one, tapes) for one in self.key.instruments}
        last = min(decided_ms, key=lambda one: decided_ms[one])
        if decided_ms[last] == max(decided_ms.values()):
            return None
        return f"minutes of {last.key} from {iso(decided_ms[last])} on"

    def advance(self, tapes: Mapping[Instrument, MinuteTape], stop_ms: int) -> LaneBars:
        """Take all minutes up to that one, which are decided."""
        own = self._own.advance(self._between(self.key.instrument, tapes, stop_ms))
        for source, tape in self._others.items():
            made = tape.advance(self._between(instrument_of(source), tapes, stop_ms)).candles
            if len(made):
                self._held[source] = joined(self._held[source], made)
        self.position_ms = stop_ms
        if self.windows and len(own.candles):
            bar = with_means(own.candles.values)
            for window in self.windows:
                window.append(bar)
        self._let_go()
        others: Mapping[SourceKey, Candles] = {}
        if len(own.candles):
            others, self._held = self._held, dict.fromkeys(self.key.others, Candles.empty())
        after_gap = (own.missing_before > self._max_gap_minutes).astype(np.uint8)
        are_told = self.position_ms <= self.told_until_ms
        return LaneBars(own.candles, after_gap, others, own.gaps, are_told)

    def _between(self, instrument: Instrument, tapes: Mapping[Instrument, MinuteTape], stop_ms: int) -> Candles:
        history = self._histories.get(instrument) if self._histories else None
        if history is None:
            return tapes[instrument].between(self.position_ms, stop_ms)
        own = history.minutes.between(self.position_ms, min(stop_ms, history.decided_ms))
        if stop_ms <= history.decided_ms:
            return own
        return joined(own, tapes[instrument].between(max(self.position_ms, history.decided_ms), stop_ms))

    def _let_go(self) -> None:
        """Keep of the histories what is not taken, and no view of the rest."""
        for instrument, (minutes, decided_ms) in list(self._histories.items()):
            if decided_ms <= self.position_ms:
                del self._histories[instrument]
            else:
                left = minutes.between(self.position_ms, decided_ms)
                copied = Candles(left.ts_open_ms.copy(), left.values.copy())
                self._histories[instrument] = History(copied, decided_ms)
