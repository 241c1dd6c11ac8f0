"""Sessions whose candles were revised, came late or were filled in when runs had gone on, drawn from a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from candleray.candles import Candles
from candleray.live.certificates.certificate import Cause, Certificate
from candleray.live.certificates.certification import CertifiedRun, SessionRecord, certificate_of
from candleray.live.certificates.comparison import Place
from candleray.live.certificates.tape_differences import SessionTapes
from candleray.live.events import EventBody
from candleray.market_data.coverage import missing_ranges
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, to_ms
from tests.support.live.drawn_replays import DEFAULTS, DrawnReplay
from tests.support.random_walk import random_walk


class FaultySession(DrawnReplay):
    """A session with the tapes of today beside those that it received."""

    def __init__(self, seed: int, bars: int = 240, faults: int = 1) -> None:
        super().__init__(seed, bars, faults)
        self.late_ms: dict[Instrument, set[int]] = {}
        self.causes: dict[tuple[Instrument, int], Cause] = {}
        self.canonical = {instrument: self._today(instrument) for instrument in self.minutes}

    def _today(self, instrument: Instrument) -> Candles:
        """The candles of today: some minutes are revised, and some that were missing are there."""
        draw, received = self.draw, self.minutes[instrument]
        stamps, values = received.ts_open_ms, received.values.copy()
        behind_warmup = np.flatnonzero(stamps >= self.live_from_ms - 50 * self.bar_ms)
        for _ in range(draw.choice([0, 1, 4]) * self.faults):
            at = int(draw.choice(behind_warmup.tolist()))
            values[:, at] *= draw.choice([0.98, 0.999, 1.0001, 1.01])
            self.causes[instrument, int(stamps[at])] = Cause.REVISED_MINUTE
        missing = missing_ranges(stamps, int(stamps[0]), self.until_ms).tolist()
        filled = [
            ts_ms
            for start_ms, end_ms in missing
            if draw.random() < 0.6
            for ts_ms in range(start_ms, end_ms, MINUTE_MS)
        ]
        self.late_ms[instrument] = {ts_ms for ts_ms in filled if ts_ms >= self.live_from_ms}
        for ts_ms in filled:
            late = ts_ms in self.late_ms[instrument]
            self.causes[instrument, ts_ms] = Cause.LATE_MINUTE if late else Cause.HOLE_FILLED_LATER
        every = np.concatenate([stamps, np.array(filled, np.int64)])
        order = np.argsort(every)
        new = random_walk(len(filled), seed=draw.randrange(2**31))
        return Candles(every[order], np.ascontiguousarray(np.concatenate([values, new], axis=1)[:, order]))

    def told(self) -> dict[Place, EventBody]:
        return {Place(to_ms(event.ts_open), event.body.kind): event.body for event in self.said()}

    def certificate(
        self, said: Mapping[Place, EventBody], start_ms: int | None = None, end_ms: int | None = None
    ) -> Certificate:
        start_ms = self.live_from_ms if start_ms is None else start_ms
        tapes = SessionTapes(self.minutes, self.canonical, self.late_ms)
        in_range = {place: body for place, body in said.items() if place.ts_open_ms >= start_ms}
        record = SessionRecord(self.live.last, self.until_ms, tapes, in_range)
        run = CertifiedRun(self.live.user_id, self.live.run, self.spec, DEFAULTS)
        return certificate_of(run, [record], start_ms, self.until_ms if end_ms is None else end_ms)
