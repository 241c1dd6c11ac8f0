"""A look at holes that may have come by now: REST is asked for them once more, many with one question.

Some minutes that an exchange lacks in an outage appear an hour after it. Holes lie scattered over weeks: asked for
one by one, newest first, those of a month with many outages took longer than the month's end was away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from candleray.candles import CandleRows
from candleray.feeds.market_feed import Ask
from candleray.feeds.market_ingestion import MarketIngestion
from candleray.feeds.repair.questions import RepairQuestions
from candleray.feeds.rest_questions import ask_candles
from candleray.timeframes import MINUTE_MS


class HoleLook:
    """Instruments whose holes wait for it; one question a step."""

    def __init__(
        self,
        ingestion: MarketIngestion,
        questions: RepairQuestions,
        keep: Callable[[str, CandleRows], Awaitable[int]],
    ) -> None:
        """
        Args:
            keep: writes rows of a symbol, and notes which of them were holes.
        """
        self._ingestion, self._questions, self._keep = ingestion, questions, keep
        self._waiting: dict[str, deque[int]] = {}

    @property
    def minutes_left(self) -> int:
        return sum(map(len, self._waiting.values()))

    def begin(self, symbol: str, holes_ms: Sequence[int]) -> None:
        """Look at these minutes of a symbol, in place of those that waited."""
        self._waiting.pop(symbol, None)
        if holes_ms:
            self._waiting[symbol] = deque(sorted(holes_ms))

    async def step(self) -> None:
        """Ask for a page of the next instrument, if that may be now."""
        for symbol in self._waiting.keys() - self._ingestion.feed.minutes.keys():
            del self._waiting[symbol]
        if not self._waiting or not self._questions.may_be_asked(self._ingestion.now_ms):
            return
        symbol, holes = next(iter(self._waiting.items()))
        del self._waiting[symbol]
        start_ms = holes[0]
        page = [ts_ms for ts_ms in holes if ts_ms < start_ms + self._ingestion.feed.page_ms]
        ask = Ask(symbol, start_ms, page[-1] + MINUTE_MS, self._ingestion.now_ms)
        rows = None
        with self._questions.asking(symbol, lambda wait_ms: self._put_back(symbol, holes, wait_ms)):
            rows = await ask_candles(self._questions.rest, self._ingestion.market, ask)
        if rows is not None:
            if len(come := rows.take(np.flatnonzero(np.isin(rows.ts_open_ms, page)))):
                await self._keep(symbol, come)
            self._put_back(symbol, deque(holes[at] for at in range(len(page), len(holes))), 0)

    def _put_back(self, symbol: str, holes: deque[int], wait_ms: int) -> None:
        if holes and not wait_ms:  # else the exchange does not know it; the next scan asks again
            self._waiting.setdefault(symbol, holes)
