"""Reads of the tape for a minute that did not come, the shard of an instrument, and the time of an exchange."""

from __future__ import annotations

from collections import Counter

from candleray.live.runners.exchange_time import ExchangeTime
from candleray.live.runners.sharding import shard_of
from candleray.live.runners.waits import Waits
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS
from tests.support.hand_clock import HandClock

ONE, OTHER = Instrument(market_id=1, symbol="AUSDT"), Instrument(market_id=1, symbol="BUSDT")
MINUTE = 1_750_000_020_000


def reads(waits: Waits, until_s: int) -> list[int]:
    return [second for second in range(until_s) if waits.due(float(second)) == [ONE]]


def test_the_tape_is_read_at_once_then_at_1_2_5_10_seconds_then_every_15() -> None:
    waits = Waits()
    waits.want(ONE, MINUTE, 0.0)
    assert reads(waits, 60) == [0, 1, 2, 5, 10, 25, 40, 55]


def test_of_a_fast_clock_the_waits_are_as_fast() -> None:
    waits = Waits(speed=60.0)
    waits.want(ONE, MINUTE, 0.0)
    assert [at for at in range(40) if waits.due(at / 60)] == [0, 1, 2, 5, 10, 25]


def test_the_same_minute_is_not_begun_again_and_the_next_one_is() -> None:
    waits = Waits()
    for second in range(4):
        waits.want(ONE, MINUTE, float(second))
    waits.want(OTHER, MINUTE, 0.0)
    assert waits.due(3.0) == [ONE, OTHER]
    waits.came(ONE, MINUTE)
    assert len(waits) == 2, "all before it came, itself not"
    waits.came(ONE, MINUTE + MINUTE_MS)
    assert len(waits) == 1
    waits.keep([ONE])
    assert len(waits) == 0


def test_instruments_are_spread_over_shards_and_most_stay_when_there_is_one_more() -> None:
    keys = [f"binance:spot:S{number}USDT" for number in range(2000)]
    before = {key: shard_of(key, 3) for key in keys}
    assert all(600 < count < 740 for count in Counter(before.values()).values())
    moved = [key for key in keys if shard_of(key, 4) != before[key]]
    assert {shard_of(key, 4) for key in moved} == {3}
    assert 400 < len(moved) < 600


def test_a_lag_is_by_the_exchanges_clock() -> None:
    clock = HandClock()
    ours = ExchangeTime(wall=lambda: MINUTE / 1000 + 70)
    assert ours.lag_s(1, MINUTE + MINUTE_MS) == 10.0
    ours.measured({1: 4_000})
    assert ours.lag_s(1, MINUTE + MINUTE_MS) == 6.0
    fast = ExchangeTime(60.0, counter=clock)
    assert fast.lag_s(1, MINUTE) is None
    fast.closed(1, MINUTE)
    clock.now_s += 0.5
    assert fast.lag_s(1, MINUTE) == 30.0
    fast.closed(1, MINUTE - MINUTE_MS)
    assert fast.lag_s(1, MINUTE) == 30.0, "one that lags does not set it back"
