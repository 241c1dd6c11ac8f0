"""A second look at stored minutes: REST is asked for them once more, and what it says otherwise is kept.

Sockets revise a candle seconds after its close. A revision that nobody heard, or that REST alone knows, would
never be noticed: the minute is there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import numpy as np

from candleray.candles import CandleRows
from candleray.feeds.market_feed import DOUBTED_MS, Ask
from candleray.feeds.market_ingestion import MarketIngestion
from candleray.feeds.repair.questions import RepairQuestions
from candleray.feeds.rest_questions import ask_candles
from candleray.logs import get_logger
from candleray.timeframes import MINUTE_MS

log = get_logger("feeds")


class SecondLook:
    """Instruments that wait for it; one question a step."""

    def __init__(
        self,
        ingestion: MarketIngestion,
        questions: RepairQuestions,
        first_of: Callable[[str], Awaitable[int]],
        keep: Callable[[str, CandleRows], Awaitable[int]],
    ) -> None:
        """
        Args:
            first_of: the first stored minute of a symbol.
            keep: writes rows of a symbol, and returns how many of them the store had not, or had otherwise.
        """
        self._ingestion, self._questions = ingestion, questions
        self._first_of, self._keep = first_of, keep
        self._waiting: deque[str] = deque()
        self._looked_until_ms: dict[str, int] = {}

    def begin(self, window_ms: int) -> None:
        """Look at each that is followed, from its last look on, for the first time so far back.

        Nobody knows how much of its looks the process before has come to: none while REST was away.
        """
        heard_until_ms = self._ingestion.feed.heard_until_ms
        self._waiting = deque(self._ingestion.feed.minutes)
        self._looked_until_ms = {
            one: self._looked_until_ms.get(one, heard_until_ms[one] - window_ms) for one in self._waiting
        }

    async def step(self) -> None:
        """Ask for the next instrument, if that may be now."""
        if not self._waiting or not self._questions.may_be_asked(self._ingestion.now_ms):
            return
        symbol = self._waiting.popleft()
        if (ask := await self._ask_of(symbol)) is None:
            return
        rows = None
        with self._questions.asking(symbol, lambda wait_ms: self._put_back(symbol, wait_ms)):
            rows = await ask_candles(self._questions.rest, self._ingestion.market, ask)
        if rows is not None:
            asked_for = (rows.ts_open_ms >= ask.start_ms) & (rows.ts_open_ms < ask.end_ms)
            await self._take(symbol, rows.take(np.flatnonzero(asked_for)))
            self._looked_until_ms[symbol] = ask.end_ms
            if ask.end_ms - ask.start_ms == self._ingestion.feed.page_ms:
                self._waiting.append(symbol)  # there may be more

    def _put_back(self, symbol: str, wait_ms: int) -> None:
        if not wait_ms:  # else the exchange does not know it; the next look asks again
            self._waiting.append(symbol)

    async def _take(self, symbol: str, rows: CandleRows) -> None:
        if revised := await self._keep(symbol, rows) if len(rows) else 0:
            log.warning("feed_revised", market=self._ingestion.market.name, symbol=symbol, minutes=revised)

    async def _ask_of(self, symbol: str) -> Ask | None:
        """The question for what the live feed is done with; None where there is nothing to ask."""
        feed, now_ms = self._ingestion.feed, self._ingestion.now_ms
        if (minutes := feed.minutes.get(symbol)) is None:
            return None
        first_ms = await self._first_of(symbol)
        start_ms = max(first_ms, self._looked_until_ms[symbol] // MINUTE_MS * MINUTE_MS - DOUBTED_MS)
        end_ms = min(
            now_ms // MINUTE_MS * MINUTE_MS - DOUBTED_MS, minutes.settled_until_ms, start_ms + feed.page_ms
        )
        return Ask(symbol, start_ms, end_ms, now_ms) if start_ms < end_ms else None
