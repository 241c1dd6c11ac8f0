"""The ledger against a plain log of all inserts, and what it refuses."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field

import pytest

from candleray.candles import CandleRows, Candles
from candleray.errors import InvalidInput, NotFound
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.ledger.candle_ledger import FIRST_POSITION, position_of
from candleray.market_data.ledger.versions import CandleSourceWord, CandleVersion
from candleray.markets import Instrument, InstrumentReference
from tests.support.candle_store.rows import FOREVER, START_MS, candle_rows, minutes_of

MINUTE_MS = 60_000
MINUTES = 60
SOURCES = ("websocket", "rest", "file", "api")


@dataclass
class Revised:
    """A store with a clock of its own, and an instrument of its own."""

    embedded: CandleStore
    now_ms: int

    def __post_init__(self) -> None:
        self.symbol = "".join(random.choices(string.ascii_uppercase, k=16))
        self.restart()

    def restart(self) -> None:
        self.store = CandleStore(self.embedded._session, lambda: self.now_ms)

    def put(self, rows: CandleRows, source: CandleSourceWord, step_ms: int = 1000) -> None:
        self.store.insert(1, self.symbol, rows, source)
        self.now_ms += step_ms


@dataclass
class Log:
    """Every row of every insert, in order, with its moment."""

    entries: list[tuple[int, int, float]] = field(default_factory=list)
    """Moment in ms, minute, close."""

    def add(self, moment_ms: int, rows: CandleRows) -> None:
        minutes = ((rows.ts_open_ms - START_MS) // MINUTE_MS).tolist()
        closes = rows.values[3].tolist()
        self.entries += [(moment_ms, minute, close) for minute, close in zip(minutes, closes, strict=True)]

    def known(self, as_of_ms: int) -> dict[int, float]:
        return {minute: close for moment_ms, minute, close in self.entries if moment_ms <= as_of_ms}

    def first(self) -> dict[int, float]:
        return {minute: close for _, minute, close in reversed(self.entries)}

    def revisions(self) -> list[tuple[int, int, float, int]]:
        """Minute, number, close and moment of every version of the minutes that had several closes."""
        versions: dict[int, list[tuple[int, float]]] = {}
        for moment_ms, minute, close in self.entries:
            said = versions.setdefault(minute, [])
            if not said or said[-1][1] != close:
                said.append((moment_ms, close))
        return [
            (minute, number, close, moment_ms)
            for minute, said in sorted(versions.items())
            if len(said) > 1
            for number, (moment_ms, close) in enumerate(said, 1)
        ]


def closes_of(candles: Candles) -> dict[int, float]:
    return dict(zip(minutes_of(candles), candles.column("close").tolist(), strict=True))


def told(version: CandleVersion) -> tuple[int, int, float, int]:
    minute = round((version.ts_open.timestamp() * 1000 - START_MS) / MINUTE_MS)
    return minute, version.version, version.close, round(version.seen_at.timestamp() * 1000)


def test_at_a_thousand_minutes_and_moments_the_ledger_says_what_a_log_of_all_inserts_says(
    embedded_store: CandleStore,
) -> None:
    chance, revised = random.Random(5), Revised(embedded_store, START_MS + 7 * 86_400_000)
    places = [Instrument(market_id=market_id, symbol="LEDGERUSDT") for market_id in (1, 2, 3)]
    logs = {place: Log() for place in places}
    for step in range(40):
        if step % 20 == 0:
            revised.restart()
        revised.now_ms += chance.choice([1, 2, 500, 61_000])
        batch = [(place, some_minutes(chance)) for place in chance.sample(places, chance.choice([1, 3]))]
        for place, rows in batch:
            logs[place].add(revised.now_ms, rows)
        revised.store.insert_many(batch, SOURCES[step % 4])
    store, now_ms = revised.store, revised.now_ms
    for place, log in logs.items():
        known_as = place.market_id, place.symbol
        moments = [log.entries[0][0], now_ms, *(chance.randint(log.entries[0][0], now_ms) for _ in range(4))]
        moments += [chance.choice(log.entries)[0] + chance.choice([-1, 0, 1]) for _ in range(8)]
        for as_of_ms in moments:
            assert closes_of(store.read_as_of(*known_as, *FOREVER, as_of_ms)) == log.known(as_of_ms)
        assert closes_of(store.read_first(*known_as, *FOREVER)) == log.first()
        assert closes_of(store.read_as_of(*known_as, *FOREVER, now_ms)) == closes_of(
            store.read(*known_as, *FOREVER)
        )
        assert [told(one) for one in store.revisions(*known_as, *FOREVER).versions] == log.revisions()


def some_minutes(chance: random.Random) -> CandleRows:
    minutes = sorted(chance.sample(range(MINUTES), chance.choice([1, 1, 5, 20])))
    rows = candle_rows(minutes)
    rows.values[3] = [chance.choice([10.25, 10.5, 10.75]) for _ in minutes]
    return rows


@pytest.fixture
def revised(embedded_store: CandleStore) -> Revised:
    """Ten minutes, of which the fourth and fifth were changed by REST a second later."""
    revised = Revised(embedded_store, START_MS + 3_600_000)
    revised.put(candle_rows(range(10)), "websocket")
    revised.put(candle_rows([3, 4], close=10.75), "rest")
    return revised


def test_revisions_tell_each_version_with_its_source_its_moment_and_its_lag(revised: Revised) -> None:
    page = revised.store.revisions(1, revised.symbol, *FOREVER)
    assert [(*told(one)[:3], one.source) for one in page.versions] == [
        (3, 1, 10.5, "websocket"),
        (3, 2, 10.75, "rest"),
        (4, 1, 10.5, "websocket"),
        (4, 2, 10.75, "rest"),
    ]
    assert [one.lag_ms for one in page.versions[:2]] == [3_600_000 - 4 * MINUTE_MS, 3_601_000 - 4 * MINUTE_MS]
    assert page.next_cursor is None


def test_pages_of_revisions_follow_one_another_within_a_minute_too(revised: Revised) -> None:
    revised.put(candle_rows([3], close=10.25), "api")
    whole, pages, after = revised.store.revisions(1, revised.symbol, *FOREVER).versions, [], FIRST_POSITION
    while True:
        page = revised.store.revisions(1, revised.symbol, *FOREVER, after, 2)
        pages.append(page.versions)
        if page.next_cursor is None:
            break
        after = position_of(page.next_cursor)
    assert [len(each) for each in pages] == [2, 2, 1]
    assert sum(pages, ()) == whole
    window = START_MS + 4 * MINUTE_MS, START_MS + 5 * MINUTE_MS
    assert revised.store.revisions(1, revised.symbol, *window).versions == whole[3:]


def test_where_the_clock_is_set_back_a_process_goes_on_from_its_last_moment_and_the_next_one_obeys_it(
    revised: Revised,
) -> None:
    last_ms = revised.now_ms - 1000  # of the second insert
    revised.now_ms -= 1_800_000
    revised.put(candle_rows([12]), "rest")

    def known(as_of_ms: int) -> list[int]:
        return minutes_of(revised.store.read_as_of(1, revised.symbol, *FOREVER, as_of_ms))

    assert 12 not in known(revised.now_ms)
    revised.restart()
    revised.put(candle_rows([13]), "rest")
    assert known(revised.now_ms) == [13]
    revised.now_ms = last_ms + 1
    assert known(last_ms) == [*range(10), 13]
    assert known(last_ms + 1) == [*range(10), 12, 13]


def test_what_only_adds_an_unknown_number_is_no_revision_and_a_contradiction_of_it_is(revised: Revised) -> None:
    revised.put(candle_rows([7, 8], quote_volume=7.0), "rest")
    assert len(revised.store.revisions(1, revised.symbol, *FOREVER).versions) == 4
    revised.put(candle_rows([8], quote_volume=8.0), "rest")
    added = revised.store.revisions(1, revised.symbol, *FOREVER).versions[4:]
    assert [(one.version, one.quote_volume) for one in added] == [(1, None), (2, 7.0), (3, 8.0)]


def test_a_moment_yet_to_come_or_before_all_versions_is_refused_with_the_bound(revised: Revised) -> None:
    for read in (
        revised.store.span_as_of,
        lambda *place: revised.store.read_as_of(*place[:2], *FOREVER, place[2]),
    ):
        with pytest.raises(
            InvalidInput, match=r"as_of: 2025-01-01T02:00:00Z is yet to come, it is .*leave as_of out"
        ):
            read(1, revised.symbol, START_MS + 7_200_000)
    with pytest.raises(
        InvalidInput,
        match=rf"as_of: 2025-01-01T00:30:00Z is before the first version of any candle of binance-spot "
        rf"{revised.symbol}, which came at 2025-01-01T01:00:00Z: ask for that moment or a later one",
    ):
        revised.store.span_as_of(1, revised.symbol, START_MS + 1_800_000)


def test_an_unknown_instrument_is_answered_with_the_nearest_and_a_known_one_without_candles_with_none(
    revised: Revised,
) -> None:
    store, unknown = revised.store, revised.symbol + "X"
    for read in (
        lambda symbol: store.read_as_of(1, symbol, *FOREVER, START_MS),
        lambda symbol: store.read_first(1, symbol, *FOREVER),
        lambda symbol: store.span_as_of(1, symbol, START_MS),
        lambda symbol: store.revisions(1, symbol, *FOREVER),
    ):
        with pytest.raises(NotFound, match="did you mean"):
            read(unknown)
    store.put_instruments([InstrumentReference(market_id=1, symbol=unknown)])
    assert store.span_as_of(1, unknown, START_MS) == (0, 0)
    assert store.revisions(1, unknown, *FOREVER).versions == ()


def test_rows_that_raw_got_back_are_told_once_and_their_source_is_unknown(revised: Revised) -> None:
    session, store = revised.store._session, revised.store
    session._client.command(f"DELETE FROM raw_binance_klines_1m WHERE symbol = '{revised.symbol}'")
    assert store.repair().raw_restored == 10
    revised.put(candle_rows([3], close=10.25), "rest")
    versions = store.revisions(1, revised.symbol, *FOREVER).versions
    assert [(one.version, one.close, one.source) for one in versions] == [
        (1, 10.75, "unknown"),
        (2, 10.25, "rest"),
    ]
