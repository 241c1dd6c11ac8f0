"""A look at holes that may have come by now: REST is asked for them once more, many with one question.

Some minutes that an exchange lacks in an outage appear an hour after it. Those that were asked for longest ago
come first: with the newest first, a month with many outages left the oldest without a turn.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

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
        note_asked: Callable[[str, Sequence[int], int], Awaitable[None]],
    ) -> None:
        """
        Args:
            keep: writes rows of a symbol, and notes which of them were holes.
            note_asked: takes a symbol's minutes that are holes still, and the moment of the question.
        """
        self._ingestion, self._questions = ingestion, questions
        self._keep, self._note_asked = keep, note_asked
        self._waiting: dict[str, dict[int, int]] = {}

    @property
    def is_over(self) -> bool:
        return not self._waiting

    def begin(self, symbol: str, asked_ms: Mapping[int, int]) -> None:
        """Look at these minutes of a symbol, each with the moment at which it was asked for last."""
        self._wait(symbol, dict(asked_ms))

    async def step(self) -> bool:
        """Ask for a page of the next instrument; False where there is none, or none may be asked for now."""
        for symbol in self._waiting.keys() - self._ingestion.feed.minutes.keys():
            del self._waiting[symbol]
        now_ms = self._ingestion.now_ms
        if not self._waiting or not self._questions.may_be_asked(now_ms):
            return False
        symbol, holes = next(iter(self._waiting.items()))
        del self._waiting[symbol]
        start_ms = min(holes, key=lambda ts_ms: (holes[ts_ms], ts_ms))
        page = {ts_ms for ts_ms in holes if start_ms <= ts_ms < start_ms + self._ingestion.feed.page_ms}
        rows = None
        with self._questions.asking(symbol, lambda wait_ms: self._put_back(symbol, holes, wait_ms)):
            ask = Ask(symbol, start_ms, max(page) + MINUTE_MS, now_ms)
            rows = await ask_candles(self._questions.rest, self._ingestion.market, ask)
        if rows is not None:
            await self._take(symbol, rows, page, now_ms)
            self._wait(symbol, {ts_ms: at_ms for ts_ms, at_ms in holes.items() if ts_ms not in page})
        return True

    async def _take(self, symbol: str, rows: CandleRows, page: set[int], asked_ms: int) -> None:
        come = rows.take(np.flatnonzero(np.isin(rows.ts_open_ms, list(page))))
        if len(come):
            await self._keep(symbol, come)
        await self._note_asked(symbol, sorted(page.difference(come.ts_open_ms.tolist())), asked_ms)

    def _put_back(self, symbol: str, holes: dict[int, int], wait_ms: int) -> None:
        if not wait_ms:  # else the exchange does not know it; the next scan asks again
            self._wait(symbol, holes)

    def _wait(self, symbol: str, holes: dict[int, int]) -> None:
        """Have the symbol wait behind the others."""
        self._waiting.pop(symbol, None)
        if holes:
            self._waiting[symbol] = holes
