"""One run among those of a shard: its planes, and its account while it catches up."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from candleray.live.bars.lane_bars import LaneBars, tapes_of
from candleray.live.paper_accounts import PaperAccounts
from candleray.live.runners.bar_events import signal_events, trade_events
from candleray.live.runners.strategy import Strategy
from candleray.live.sessions import LiveRun
from candleray.live.snapshots.packing import Tree
from candleray.live.stores.event_store import NewEvent
from candleray.search.signals.growing_planes import GrowingPlanes
from candleray.search.signals.plain_planes import PlainPlanes
from candleray.timeframes import to_ms
from kernels.advance import BarWindow
from kernels.bits import pack, unpack
from kernels.live.series_steps import SeriesSteps

_ONE = np.zeros(1, np.int64)
_TOLD_AT_ONCE = 16_384
"""Bars whose events nobody wants: so many records of them stay in the cache, those of a year would not."""


class AttachedRun:
    def __init__(self, live: LiveRun, strategy: Strategy) -> None:
        self.live = live
        self.terms = strategy.terms
        self.bar_ms = strategy.key.bar_ms
        self.live_from_ms = to_ms(live.last.live_from)
        self.init_cash_quote = strategy.terms.init_cash_quote
        self.last_bar_ms: int | None = None
        self._pieces: GrowingPlanes | None = strategy.planes
        """Its planes on pieces of bars; None where those on single bars have taken over."""
        self.plain: PlainPlanes | None = None
        """Its planes on single bars, after it has caught up; None where its conditions are not plain."""
        self.is_stepped = False
        """True where compiled code takes all of a bar."""
        self.window: BarWindow | None = None
        """The bars that these read."""
        self.place = 0
        """The place of its account."""
        self.room: NDArray[np.uint64] = np.empty((0, 2, 1), np.uint64)
        """The planes of its conditions on the last bar, among those of others."""

    @property
    def run_id(self) -> UUID:
        return self.live.run.run_id

    @property
    def conditions(self) -> int:
        """The number of its conditions, a pair of planes each."""
        return len(self.terms.rows)

    def saved(self, windows: Sequence[BarWindow]) -> Tree:
        """All that its next bars depend on besides its account and its lane.

        Args:
            windows: those of its lane.
        """
        planes = self._pieces if self.plain is None else self.plain
        assert planes is not None
        at = next((at for at, one in enumerate(windows) if one is self.window), None)
        return {"last_bar_ms": self.last_bar_ms, "window": at, "planes": planes.saved()}

    def restore(self, saved: Tree, windows: Sequence[BarWindow]) -> None:
        """Go on from there, before any bar.

        Raises:
            ValueError: it is the state of another run.
        """
        assert self._pieces is not None
        self.last_bar_ms = saved["last_bar_ms"]
        self.plain = self._pieces.restore(saved["planes"])
        if self.plain is None:
            return
        self._pieces, self.is_stepped = None, self.plain.is_done
        if saved["window"] is not None:
            self.window = windows[saved["window"]]
            SeriesSteps(self.plain.steps).read(self.window)

    def take(self, bars: LaneBars, open_ms: int) -> None:
        """Take one more bar, whose steps are taken; write the planes of its conditions but for comparisons."""
        if self.plain is None:
            self.room[:] = self.truths(bars)
        else:
            self.plain.complete(open_ms, bars.others)

    def truths(self, bars: LaneBars) -> NDArray[np.uint64]:
        """The planes of its conditions on these bars, which it has taken then."""
        if not len(bars.candles):
            return np.empty((self.conditions, 2, 0), np.uint64)
        assert self._pieces is not None
        planes = self._pieces.advance(bars.candles, bars.others)
        self.last_bar_ms = int(bars.opens_ms[-1])
        return planes

    def catch_up(self, bars: LaneBars, told_until_ms: int) -> tuple[NDArray[np.void], list[NewEvent]]:
        """Take the bars up to now; return its account, and what bars that close after that moment have to say."""
        opens_ms = bars.opens_ms
        live = int(np.searchsorted(opens_ms, self.live_from_ms))
        untold = int(np.searchsorted(opens_ms + self.bar_ms, told_until_ms, side="right"))
        untold = max(live, untold)
        accounts, events = PaperAccounts.of_terms([self.terms]), list[NewEvent]()
        # All at once: what comes in pieces is copied, a year of minutes 20 MB.
        flags = unpack(self.truths(bars), len(opens_ms))
        for first in range(live, untold, _TOLD_AT_ONCE):
            stop = min(untold, first + _TOLD_AT_ONCE)
            accounts.step(_ONE, _ONE, tapes_of([bars.part(first, stop)]), pack(flags[..., first:stop]))
        if untold < len(opens_ms):
            new, before = bars.part(untold, len(opens_ms)), accounts.states["signal"].copy()
            stepped = accounts.step(_ONE, _ONE, tapes_of([new]), pack(flags[..., untold:]))
            events += signal_events([self.live], [new.candles], before, stepped.signals)
            events += trade_events({0: self.live}, stepped.events)
        self.plain = None if self._pieces is None else self._pieces.plain()
        if self.plain is not None:
            self._pieces, self.is_stepped = None, self.plain.is_done
        return accounts.states, events
