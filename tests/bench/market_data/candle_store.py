"""The candle store's speed: `python -m tests.bench.market_data.candle_store`.

Inserts of one live candle of many instruments, at once and one by one; and reads of the newest versions beside
reads as of a moment, of the same year in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from tempfile import TemporaryDirectory

import numpy as np

from candleray.candles import CandleRows
from candleray.market_data.candle_store import CandleStore
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS

INSTRUMENTS = (200, 1000)
MINUTES = 30
ALONE = 50
YEAR_MINUTES = 525_600
READS = 7


def main() -> None:
    with TemporaryDirectory() as folder:
        store = CandleStore.open(f"chdb://{folder}")
        store.migrate()
        for count in INSTRUMENTS:
            _print_inserts(store, count)
        _print_reads(store)
        store.close()


def _print_inserts(store: CandleStore, count: int) -> None:
    """One candle of each instrument a minute, as it comes live."""
    instruments = [Instrument(market_id=1, symbol=f"N{count}X{number:04}") for number in range(count)]
    newest_ms = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS - MINUTE_MS
    stamps = [newest_ms - back * MINUTE_MS for back in reversed(range(MINUTES))]
    at_once = [
        _ms(lambda at=at: store.insert_many([(one, _candle(at)) for one in instruments], "websocket"))
        for at in stamps
    ]
    again = [
        _ms(lambda at=at: store.insert_many([(one, _candle(at)) for one in instruments], "rest"))
        for at in stamps[-3:]
    ]
    alone = [
        _ms(lambda one=one: store.insert(1, "A" + one.symbol, _candle(newest_ms), "websocket"))
        for one in instruments[:ALONE]
    ]
    print(f"{count:,} instruments, one candle each, {MINUTES} minutes: insert_many {_told(at_once)}")
    print(f"  the same rows once more (nothing is written): {_told(again)}")
    total_ms = float(np.median(alone)) * count
    print(
        f"  one by one {_told(alone)} each, {total_ms:,.0f} ms for all: {total_ms / np.median(at_once):,.0f} times"
    )


def _print_reads(store: CandleStore) -> None:
    start_ms = 1_735_689_600_000
    stamps = start_ms + np.arange(YEAR_MINUTES) * MINUTE_MS
    closes = 100 + np.random.default_rng(1).normal(0, 0.01, YEAR_MINUTES).cumsum()
    rows = CandleRows.of(stamps, np.stack([closes, closes + 1, closes - 1, closes, closes]))
    for part in rows.parts(100_000):
        store.insert(1, "YEARUSDT", part, "file")
    window = 1, "YEARUSDT", start_ms, start_ms + YEAR_MINUTES * MINUTE_MS
    now_ms = time.time_ns() // 1_000_000
    reads: dict[str, tuple[list[float], Callable[[], object]]] = {
        "newest versions": ([], lambda: store.read(*window)),
        "as of now": ([], lambda: store.read_as_of(*window, now_ms)),
        "first versions": ([], lambda: store.read_first(*window)),
    }
    for _ in range(READS):
        for times, read in reads.values():
            times.append(_ms(read))
    plain = float(np.median(reads["newest versions"][0]))
    for name, (times, _) in reads.items():
        print(f"a year of minutes, {name}: {_told(times)}, {np.median(times) / plain:.2f} of a plain read")


def _candle(at_ms: int) -> CandleRows:
    return CandleRows.of(np.array([at_ms]), np.array([[10.0], [11.0], [9.0], [10.5], [1.0]]))


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _told(times_ms: Sequence[float]) -> str:
    return f"median {np.median(times_ms):,.1f} ms, worst {max(times_ms):,.1f} ms"


if __name__ == "__main__":
    main()
