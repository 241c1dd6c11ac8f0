"""Trading on paper as a step of a shard: nothing is asked of the database while no run of its trades so."""

from __future__ import annotations

import time
from uuid import UUID

from candleray.errors import ServiceUnavailable
from candleray.live.paper.paper_events import PaperEvent
from candleray.live.paper.paper_trading import PaperTrading
from candleray.live.runners.shard_state import ShardState
from candleray.live.runners.sharding import shard_of
from candleray.timeframes import iso

LOOK_S = 1.0
LOOK_WITHOUT_RUNS_S = 60.0
"""The pause where this process has taken up no run on paper: one that was stopped may have orders to make."""

LOOK_OVER_S = 60.0
"""Between two looks over the books of all runs."""


class ShardPaper:
    def __init__(self, state: ShardState) -> None:
        self._state = state
        self._trading = PaperTrading(
            state.services.postgres, state.store.writing, self._close_of, self._is_ours, self._tell
        )
        self._looked_s = -LOOK_WITHOUT_RUNS_S
        self._looked_over_s = -LOOK_OVER_S

    async def look(self) -> float:
        """Make the orders that are due; return how long to pause."""
        now_s = time.monotonic()
        if not self._state.has_paper and now_s - self._looked_s < LOOK_WITHOUT_RUNS_S:
            return LOOK_S
        while await self._trading.look():
            pass
        if now_s - self._looked_over_s >= LOOK_OVER_S:
            await self._trading.look_over()
            self._looked_over_s = now_s
        self._looked_s = now_s
        return LOOK_S

    async def _close_of(self, event: PaperEvent) -> float:
        tape = await self._state.tapes.of_session(
            event.run.instrument, event.run.session, event.bar_ms, event.bar_end_ms
        )
        if not len(tape.candles) or tape.decided_ms < event.bar_end_ms:
            raise ServiceUnavailable(
                f"{event.run.instrument.key} has no bar of {iso(event.bar_ms)} to fill at yet"
            )
        return float(tape.candles.column("close")[-1])

    def _is_ours(self, instrument_key: str) -> bool:
        return shard_of(instrument_key, self._state.limits.shards) == self._state.shard

    async def _tell(self, user_ids: set[UUID]) -> None:
        self._state.commits.tell_all(list(user_ids))
        await self._state.commits.tell()
