"""Candles that a run is warmed up with: whether they are there, and the command that brings them."""

from __future__ import annotations

from candleray.candles import IntArray
from candleray.errors import InvalidInput, NotFound, Problem
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.range_coverage import backfill_command
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, iso, to_ms

MOST_MISSING = 0.1
"""Part of the minutes that may be missing; a bar that lacks one is not made, so that indicators begin later."""


class WarmUpCandles:
    """Stored minutes that a run reads before it goes live."""

    def __init__(self, candles: CandleStoreClient, now_ms: int, look_back_ms: int) -> None:
        """
        Args:
            now_ms: the exchange's time.
            look_back_ms: the time back that a feed brings by itself as it begins.
        """
        self._candles = candles
        self._now_ms = now_ms // MINUTE_MS * MINUTE_MS
        self._look_back_ms = look_back_ms
        self._problems: list[Problem] = []
        self.notes: list[str] = []

    async def look_at(self, path: str, instrument: Instrument, first_ms: int) -> None:
        """Note what an instrument lacks from a minute on; the path is of what is at fault."""
        described = await self._candles.described(instrument.market_id, instrument.symbol)
        listed_ms = to_ms(described.listed_at) if described and described.listed_at else 0
        first_ms = max(first_ms, -(-listed_ms // MINUTE_MS) * MINUTE_MS)
        due_ms = self._now_ms - self._look_back_ms
        if first_ms >= due_ms:
            return  # the feed brings all of it
        name = f"{instrument.market.name} {instrument.symbol}"
        _, end_ms = await self._span(instrument)
        if end_ms <= first_ms:
            self._refuse(
                path, "no_candles", f"{name} has no candles from {iso(first_ms)} on", instrument, first_ms
            )
            return
        if end_ms < due_ms:
            said = f"{name} has candles up to {iso(end_ms)} alone"
            self._refuse(path, "candles_end", said, instrument, end_ms)
            return
        # Where the feed looks back by itself, nothing is missing for good.
        missing = await self._candles.missing_ranges(instrument.market_id, instrument.symbol, first_ms, due_ms)
        self._judge_holes(path, instrument, missing, first_ms, due_ms)

    def _judge_holes(
        self, path: str, instrument: Instrument, missing: IntArray, first_ms: int, end_ms: int
    ) -> None:
        if not len(missing):
            return
        asked = (end_ms - first_ms) // MINUTE_MS
        minutes = int((missing[:, 1] - missing[:, 0]).sum()) // MINUTE_MS
        said = (
            f"{instrument.market.name} {instrument.symbol} lacks {minutes:,} of the {asked:,} minutes from "
            f"{iso(first_ms)} to {iso(end_ms)}"
        )
        if minutes > MOST_MISSING * asked:
            self._refuse(path, "gaps", said, instrument, int(missing[0, 0]), int(missing[-1, 1]))
        else:
            self.notes.append(f"warm-up: {said}: a bar that lacks a minute is not made")

    async def _span(self, instrument: Instrument) -> tuple[int, int]:
        try:
            return await self._candles.span(instrument.market_id, instrument.symbol)
        except NotFound:
            return 0, 0

    def _refuse(
        self, path: str, code: str, said: str, instrument: Instrument, start_ms: int, end_ms: int | None = None
    ) -> None:
        command = backfill_command(instrument, start_ms, end_ms or self._now_ms)
        self._problems.append(Problem(path, code, f"{said}: `{command}` brings them"))

    def require(self) -> None:
        """
        Raises:
            InvalidInput: with what each instrument lacks.
        """
        if self._problems:
            more = f" (and {len(self._problems) - 1} more)" if len(self._problems) > 1 else ""
            words = f"the run cannot be warmed up: {self._problems[0].message}{more}"
            raise InvalidInput(words, self._problems)
