"""A store that fails at the worst moment: as an instrument begins, or while repair scans."""

from __future__ import annotations

from collections.abc import Sequence

from candleray.errors import ServiceUnavailable
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS
from tests.support.feeds.memory_store import MemoryStore
from tests.support.feeds.played_venue import START_MS
from tests.support.feeds.venue_course import BTC, PERP, Course
from tests.support.waiting import let_work_until

FEW_SCANS = {
    "scan_every_s": 150.0,
    "scan_window_s": 3600.0,
    "long_scan_every_s": 300.0,
    "long_scan_window_s": 10_800.0,
    "full_scan_every_s": 1e6,
}
"""The whole history is scanned once, 300 s after the start."""


class StrugglingStore(MemoryStore):
    """Calls of `span` fail by their number, counted from 1, and those of `minute_counts` by the market."""

    def __init__(self, spans: Sequence[int] = (), market_id: int = 0) -> None:
        super().__init__()
        self.failing_spans, self.failing_market = spans, market_id
        self.spans = self.counts = 0

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        self.spans += 1
        if self.spans in self.failing_spans:
            raise ServiceUnavailable("the candle store does not answer")
        return await super().span(market_id, symbol)

    async def minute_counts(self, market_id: int, start_ms: int, end_ms: int) -> dict[str, int]:
        if market_id == self.failing_market:
            raise ServiceUnavailable("the candle store does not answer")
        self.counts += 1
        return await super().minute_counts(market_id, start_ms, end_ms)


async def course_with(
    store: StrugglingStore, wanted: Sequence[Instrument], *back: range, **changes: float
) -> Course:
    """A course whose store has those minutes of BTC, counted back from now."""
    course = Course("binance", wanted, **(FEW_SCANS | changes))
    course.store = store
    course.ingestion = course.process()
    now_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS
    for minutes in back:
        start_ms, end_ms = now_ms - minutes.stop * MINUTE_MS, now_ms - minutes.start * MINUTE_MS
        rows = course.played.candles(BTC.market, "BTCUSDT", start_ms, end_ms)
        await store.insert_many([(BTC, rows)], "rest", {1: course.played.now_ms()})
    return course


async def test_a_store_that_fails_as_an_instrument_begins_costs_neither_its_past_nor_its_stream() -> None:
    store = StrugglingStore(spans=[1])
    course = await course_with(store, [BTC], range(5_000, 5_001), long_scan_every_s=1e6)
    past_ms = START_MS // MINUTE_MS * MINUTE_MS - 4_990 * MINUTE_MS
    async with course.running():
        await let_work_until(lambda: (1, "BTCUSDT", past_ms) in store.versions, what="the past")
        assert BTC.key in course.ingestion.outbox.incomplete
    course.hold()


async def test_an_instrument_whose_history_is_scanned_while_the_store_fails_is_scanned_afterwards() -> None:
    store = StrugglingStore(spans=[3])  # after those of its start and of the first scan
    course = await course_with(store, [BTC], range(650, 700), range(600))
    lost_ms = START_MS // MINUTE_MS * MINUTE_MS - 620 * MINUTE_MS
    async with course.running():
        await let_work_until(lambda: (1, "BTCUSDT", lost_ms) in store.versions, what="the gap")
        assert store.spans >= 4
    course.hold()


async def test_repair_that_waits_is_told_while_that_of_the_other_market_goes_on() -> None:
    store = StrugglingStore(market_id=2)
    async with (await course_with(store, [BTC, PERP])).running() as course:
        await let_work_until(lambda: "repair" in course.ingestion.states()[0].waits)
        counted = store.counts
        await let_work_until(lambda: store.counts > counted + 2)
        assert course.ingestion.states()[0].waits["repair"] == "the candle store does not answer"
