"""The received tape of a session: decided once, and the same for whoever reads it whenever."""

from __future__ import annotations

import random
import string
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from candleray.databases.postgres import Postgres
from candleray.feeds.hole_store import HoleStore
from candleray.live.received.received_tape import ReceivedTape, ReceivedTapes
from candleray.live.sessions import Session
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import Instrument, InstrumentReference
from candleray.timeframes import MINUTE_MS, from_ms
from tests.support.api.in_process_api import in_process
from tests.support.candle_store.rows import START_MS, candle_rows, minutes_of

DECLARE = """
INSERT INTO candle_holes (market_id, symbol, ts_open, first_asked_at, last_asked_at, declared_at)
VALUES (1, $1, $2, $3, $3, $3) ON CONFLICT DO NOTHING
"""


@dataclass
class Course:
    """An instrument whose minutes come as the test has it; a moment is a second after the last one."""

    embedded: CandleStore
    postgres: Postgres
    symbol: str = field(default_factory=lambda: "".join(random.choices(string.ascii_uppercase, k=16)))
    now_ms: int = START_MS + 400 * MINUTE_MS

    def __post_init__(self) -> None:
        self.store = CandleStore(self.embedded._session, lambda: self.now_ms)
        self.instrument = Instrument(market_id=1, symbol=self.symbol)
        self.tapes = ReceivedTapes(CandleStoreClient(in_process(self.store)), HoleStore(self.postgres))
        self.store.put_instruments([InstrumentReference(market_id=1, symbol=self.symbol, status="TRADING")])

    def come(self, minutes: Iterable[int], close: float = 10.5) -> None:
        self.now_ms += 1000
        self.store.insert(1, self.symbol, candle_rows(list(minutes), close))

    async def declare(self, minute: int) -> None:
        """A verdict: the exchange does not have the minute."""
        self.now_ms += 1000
        at = from_ms(START_MS + minute * MINUTE_MS), from_ms(self.now_ms)
        await self.postgres._pool.execute(DECLARE, self.symbol, *at)

    def start(self, first_live: int) -> Session:
        self.now_ms += 1000
        return Session(1, from_ms(START_MS + first_live * MINUTE_MS), from_ms(self.now_ms))

    async def read(self, session: Session, first: int = 0, end: int = 1000) -> ReceivedTape:
        self.now_ms += 1000
        window = START_MS + first * MINUTE_MS, START_MS + end * MINUTE_MS
        return await self.tapes.of_session(self.instrument, session, *window)


@pytest.fixture
def course(embedded_store: CandleStore, postgres: Postgres) -> Course:
    return Course(embedded_store, postgres)


def decided(tape: ReceivedTape) -> int:
    return (tape.decided_ms - START_MS) // MINUTE_MS


def closes(tape: ReceivedTape) -> dict[int, float]:
    return dict(zip(minutes_of(tape.candles), tape.candles.column("close").tolist(), strict=True))


async def test_up_to_the_seam_it_has_what_was_known_at_the_start_and_then_the_first_versions(
    course: Course,
) -> None:
    course.come(range(10))
    course.come([8], close=10.75)
    session = course.start(10)
    course.come([3, 8], close=10.25)
    course.come(range(10, 14))
    course.come([12], close=10.25)
    tape = await course.read(session)
    assert closes(tape) == {minute: 10.75 if minute == 8 else 10.5 for minute in range(14)}
    assert (decided(tape), tape.absent_ms.tolist()) == (14, [])


async def test_a_minute_that_was_unknown_at_the_start_never_comes(course: Course) -> None:
    course.come([0, 1, 4, 5])
    session = course.start(6)
    course.come([2, 3, 6])
    tape = await course.read(session)
    assert minutes_of(tape.candles) == [0, 1, 4, 5, 6]
    assert (decided(tape), tape.absent_ms.tolist()) == (7, []), "nobody has judged of them"


async def test_nothing_is_decided_behind_a_minute_that_may_come(course: Course) -> None:
    course.come(range(5))
    session = course.start(5)
    course.come([5, 7, 8])
    tape = await course.read(session)
    assert (decided(tape), minutes_of(tape.candles)) == (6, list(range(6)))
    course.come([6], close=10.75)
    tape = await course.read(session)
    assert (decided(tape), closes(tape)[6]) == (9, 10.75), "it came late, and before any verdict"


async def test_what_comes_after_its_verdict_stays_absent_and_is_told_as_late(course: Course) -> None:
    course.come(range(5))
    session = course.start(5)
    course.come([5, 8])
    await course.declare(6)
    before = await course.read(session)
    await course.declare(7)
    between = await course.read(session)
    course.come([7])
    seen_ms, hole_ms = course.now_ms, [START_MS + minute * MINUTE_MS for minute in (6, 7)]
    await HoleStore(course.postgres).fill(course.instrument.market, [(course.symbol, hole_ms[1])])
    after = await course.read(session)
    assert [decided(tape) for tape in (before, between, after)] == [7, 9, 9]
    assert [tape.absent_ms.tolist() for tape in (before, between, after)] == [hole_ms[:1], hole_ms, hole_ms]
    assert minutes_of(between.candles) == minutes_of(after.candles) == [0, 1, 2, 3, 4, 5, 8]
    assert (dict(between.late_ms), dict(after.late_ms)) == ({}, {hole_ms[1]: seen_ms})


async def test_a_verdict_on_a_minute_that_was_there_means_nothing(course: Course) -> None:
    course.come(range(5))
    session = course.start(5)
    course.come([5, 6])
    await course.declare(5)
    tape = await course.read(session)
    assert (decided(tape), minutes_of(tape.candles)[-1], dict(tape.late_ms)) == (7, 6, {})


async def test_where_nothing_was_known_at_the_start_the_first_bar_that_may_trade_is_the_seam(
    course: Course,
) -> None:
    session = course.start(30)
    assert decided(await course.read(session)) == 30
    course.come(range(20, 32))
    tape = await course.read(session)
    assert (decided(tape), minutes_of(tape.candles)) == (32, [30, 31])


async def test_a_later_part_is_that_part_of_the_whole(course: Course) -> None:
    course.come([0, 1, 2, 3, 5])
    session = course.start(6)
    course.come([6, 8, 9])
    await course.declare(7)
    course.come([4])
    whole = await course.read(session)
    for first in range(11):
        part = await course.read(session, first)
        assert minutes_of(part.candles) == [minute for minute in minutes_of(whole.candles) if minute >= first]
        assert decided(part) == max(10, first)
    ended = await course.read(session, 0, 5)
    assert (decided(ended), minutes_of(ended.candles)) == (5, [0, 1, 2, 3])


async def test_readers_at_different_moments_read_the_same_over_random_courses(course: Course) -> None:
    """Hold what each reader found decided against what the last one finds."""
    chance = random.Random(11)
    course.come(range(20))
    session, tapes = course.start(20), []
    for _ in range(50):
        minutes = sorted(chance.sample(range(15, 40), chance.choice([1, 3])))
        if chance.random() < 0.4:
            await course.declare(minutes[0])
        else:
            course.come(minutes, close=chance.choice([10.25, 10.5, 10.75]))
        tapes.append(await course.read(session))
    last = tapes[-1]
    for tape in tapes:
        same = last.candles.between(0, tape.decided_ms)
        assert (same.ts_open_ms == tape.candles.ts_open_ms).all()
        assert (same.values == tape.candles.values).all()
        assert [ts for ts in last.absent_ms.tolist() if ts < tape.decided_ms] == tape.absent_ms.tolist()
    assert decided(last) > 25
    assert len(last.absent_ms) > 3
