"""Live candles for half an hour at real speed: `python -m tests.bench.market_data.live_smoke`.

A whole instance beside simulated exchanges with faults, three symbols on each of four markets. A line a minute
says what the store has of all of them and how late it is; the end holds every candle against the exchanges' own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from candleray import Client
from candleray.market_data.coverage import RowCounts
from candleray.markets import MARKET_NAMES, find_market
from candleray.timeframes import MINUTE_MS, from_ms, to_ms
from cluster.services.simulated_exchanges import SimulatedExchanges
from tests.support.instances.private_home import private_home
from tests.support.instances.real_instance import RealInstance, real_instance
from tests.support.waiting import wait_until

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
LAST_FAULTS_S = 900.0
"""Time after the last minute in which what a fault took is fetched."""
REST_DIFFERS = "rest_differs"
"""The fault at which the websocket and REST say different values: either may be stored."""
MOST_LAG_MS = 3_000
"""The median from a close to the store; Binance's spot market itself sends up to two seconds after the close."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--faults", default="seeded:7,times_a_day=30")
    options = parser.parse_args(arguments)
    environment = {
        "CANDLERAY_SIMULATOR__ENABLED": "true",
        "CANDLERAY_SIMULATOR__SYMBOLS": ",".join(SYMBOLS),
        "CANDLERAY_SIMULATOR__FAULTS": options.faults,
    }
    with (
        private_home(),
        real_instance("smoke", **environment) as instance,
        Client(instance.url, timeout_s=600) as client,
        httpx.Client(base_url=SimulatedExchanges(instance.folder).url, trust_env=False, timeout=60) as venues,
    ):
        faults = _watch(instance, client, venues, options.minutes)
        faults += _held_against_the_venues(client, venues)
    print("\n".join(faults) if faults else "passed", flush=True)
    return 1 if faults else 0


def _watch(instance: RealInstance, client: Client, venues: httpx.Client, minutes: int) -> list[str]:
    """Print a line a minute; return what was not as it must be."""
    wait_until(
        lambda: len(_counts(client)) == len(SYMBOLS) * len(MARKET_NAMES), what="all instruments have candles"
    )
    print(f"{instance.url}, {len(SYMBOLS)} symbols on each of {', '.join(MARKET_NAMES)}", flush=True)
    found: list[str] = []
    _sleep_until_half_past()
    before = _counts(client)
    for number in range(1, minutes + 1):
        _sleep_until_half_past()
        now = _counts(client)
        line, grown = _line(client, venues, before, now)
        print(f"{number:3} {line}", flush=True)
        found += [] if grown else [f"minute {number}: raw or canonical did not grow"]
        before = now
    for feed in client.feeds():
        if feed.lag_p50_ms is None or feed.lag_p50_ms > MOST_LAG_MS:
            found.append(f"{feed.market}: median lag {feed.lag_p50_ms} ms, at most {MOST_LAG_MS} are allowed")
    return found


def _sleep_until_half_past() -> None:
    """Half a minute after a close."""
    time.sleep(60 - (time.time() - 30) % 60)


def _counts(client: Client) -> dict[tuple[int, str], RowCounts]:
    return {(row.market_id, row.symbol): row for row in client.counts()}


def _line(
    client: Client, venues: httpx.Client, before: Mapping[Any, RowCounts], now: Mapping[Any, RowCounts]
) -> tuple[str, bool]:
    raw, canonical = (sum(getattr(row, table) for row in now.values()) for table in ("raw", "canonical"))
    new_raw = raw - sum(row.raw for row in before.values())
    new = canonical - sum(row.canonical for row in before.values())
    newest = sorted(to_ms(one.last) for one in client.coverage())  # one query, of all instruments
    whole = sum(ts_ms >= newest[-1] for ts_ms in newest)
    lags = ", ".join(
        f"{feed.market} {_seconds(feed.lag_p50_ms)}/{_seconds(feed.lag_p99_ms)} {feed.mode}"
        for feed in client.feeds()
    )
    filled = sum(feed.filled for feed in client.feeds())
    begun = {kind: count["begun"] for kind, count in venues.get("/simulator").json()["fault_counts"].items()}
    return (
        f"{datetime.now(UTC):%H:%M:%S} raw {raw:,} (+{new_raw}) canonical {canonical:,} (+{new}); "
        f"{from_ms(newest[-1]):%H:%M} in {whole} of {len(newest)}; lag p50/p99 s: {lags}; "
        f"{filled:,} by REST; {sum(begun.values())} faults of {sum(map(bool, begun.values()))} kinds"
    ), new_raw > 0 and new > 0


def _seconds(lag_ms: int | None) -> str:
    return "-" if lag_ms is None else f"{lag_ms / 1000:.2f}"


def _held_against_the_venues(client: Client, venues: httpx.Client) -> list[str]:
    """Wait until every candle since the first is there as its exchange has it; return what differs at last.

    Two hours before the instance's start are fetched too.
    """
    start_ms = max(to_ms(one.first) for one in client.coverage())
    end_ms = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS
    give_up_s = time.monotonic() + LAST_FAULTS_S
    while True:
        differences, total = _differences(client, venues, start_ms, end_ms)
        if not differences or time.monotonic() > give_up_s:
            break
        time.sleep(10)
    print(f"{total:,} minutes held against the exchanges: {len(differences)} differ", flush=True)
    return differences


def _differences(client: Client, venues: httpx.Client, start_ms: int, end_ms: int) -> tuple[list[str], int]:
    found, total = [], 0
    for market in map(find_market, MARKET_NAMES):
        for symbol in SYMBOLS:
            window: dict[str, str | int] = {
                "market": market.name,
                "symbol": symbol,
                "start": start_ms,
                "end": end_ms,
            }
            truth = venues.get("/simulator/truth", params=window).json()
            true = {int(row[0]): tuple(row[1:6]) for row in truth["candles"]}
            two_words = [fault for fault in truth["faults"] if fault["kind"] == REST_DIFFERS]
            table = client.candles(market.name, symbol, start=from_ms(start_ms), end=from_ms(end_ms))
            columns = (table[name].to_pylist() for name in ("open", "high", "low", "close", "volume"))
            have = dict(zip(map(to_ms, table["ts_open"].to_pylist()), zip(*columns, strict=True), strict=True))
            total += len(true)
            for what, stamps in (
                ("lost", true.keys() - have.keys()),
                ("invented", have.keys() - true.keys()),
                ("with other values", {ts for ts in true.keys() & have.keys() if true[ts] != have[ts]}),
            ):
                found += [
                    f"{what}: {market.name} {symbol} {from_ms(ts):%H:%M}"
                    for ts in sorted(stamps)
                    if not any(fault["start_ms"] <= ts < fault["end_ms"] for fault in two_words)
                ]
    return found, total


if __name__ == "__main__":
    sys.exit(main())
