"""Candles that came after the runs had gone on without them: each run is told once, and does not go back."""

from __future__ import annotations

import time
from collections.abc import Mapping

from candleray.live.events import LateCandle
from candleray.live.runners.shard_state import AttachedRun, ShardState
from candleray.live.stores.event_store import NewEvent
from candleray.markets import Instrument
from candleray.timeframes import DAY_MS, MINUTE_MS, from_ms

BEFORE_MS = 60_000
"""Looked at again, because what is noted now may be committed later, by another clock than ours."""


class LateCandles:
    def __init__(self, state: ShardState) -> None:
        self._state = state
        self._since_ms = 0

    async def look(self) -> float:
        """Tell of candles that were late; return how long to pause before the next look."""
        began_ms = time.time_ns() // 1_000_000
        read = {one for run in self._state.attached.values() for one in run.seams_ms}
        if read:
            filled = await self._state.holes.filled(read, self._since_ms or began_ms - DAY_MS)
            late = {one: await self._late(one, minutes) for one, minutes in filled.items()}
            if any(late.values()):
                await self._tell(late)
            self._since_ms = began_ms - BEFORE_MS
        return self._state.limits.late_every_s

    async def _late(self, instrument: Instrument, minutes: list[int]) -> Mapping[int, int]:
        known = await self._state.tapes.known({instrument: min(minutes)}, max(minutes) + MINUTE_MS)
        return known[instrument].late_ms()

    async def _tell(self, late: Mapping[Instrument, Mapping[int, int]]) -> None:
        async with self._state.turn():
            for run in self._state.attached.values():
                self._state.commits.batch.events += self._events(run, late)
            await self._state.commit()
        await self._state.commits.tell()

    def _events(self, run: AttachedRun, late: Mapping[Instrument, Mapping[int, int]]) -> list[NewEvent]:
        live = run.live
        moments: dict[int, int] = {}
        for instrument, seam_ms in run.seams_ms.items():
            decided_ms = self._state.book.decided_ms(instrument) or 0
            for ts_ms, seen_ms in late.get(instrument, {}).items():
                if seam_ms <= ts_ms < decided_ms:
                    moments[ts_ms] = min(seen_ms, moments.get(ts_ms, seen_ms))
        return [
            NewEvent(
                live.user_id,
                live.run.run_id,
                live.last.session,
                from_ms(ts_ms),
                LateCandle(seen_at=from_ms(seen_ms)),
            )
            for ts_ms, seen_ms in sorted(moments.items())
        ]
