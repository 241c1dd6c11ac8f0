"""The actor of a venue's feed in a real cluster, over real websockets to the simulator, with the real services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from uuid import uuid4

import psutil
import pytest
import ray
from ray.exceptions import RayTaskError

from actors.candle_store import candle_store
from actors.live_runner import live_runner, standings
from actors.market_feed import market_feed
from candleray.databases.postgres import Postgres
from candleray.errors import ServiceUnavailable
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.live.runners.sharding import shard_of
from candleray.live.standing import RunStanding
from candleray.markets import find_market
from candleray.settings import HistorySettings, LiveRunSettings, LiveSettings, ServiceSettings, Settings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.market_clock import MarketClock
from candleray.timeframes import MINUTE_MS, from_ms
from tests.support.embedded import new_database
from tests.support.instances.processes import process_of_actor
from tests.support.instances.ray_workers import ray_workers
from tests.support.live.saved_runs import SavedRun, saved_run, spec_with
from tests.support.simulated_wire import Venue, simulated_venue
from tests.support.users import new_user_id
from tests.support.waiting import wait_until

pytestmark = pytest.mark.cluster

SPEED = 60.0
START_MS = 1_750_600_035_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MARKETS = {1: "binance-spot", 2: "binance-futures"}


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with simulated_venue(GeneratedCandles(symbols=SYMBOLS), clock=MarketClock(START_MS, SPEED)) as venue:
        yield venue


@pytest.fixture(scope="module")
def postgres_url(postgres_url: str) -> str:
    """A database apart from other tests: a runner takes up every run there is, and trusts every checkpoint."""
    return asyncio.run(new_database(postgres_url))


@pytest.fixture(scope="module")
def settings(
    venue: Venue, postgres_url: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    return Settings(
        services=ServiceSettings(
            clickhouse_url=f"chdb://{tmp_path_factory.mktemp('candles')}",
            postgres_url=postgres_url,
            redis_url=valkey_url,
        ),
        history=HistorySettings(base_urls=dict.fromkeys(MARKETS.values(), venue.url)),
        live=LiveSettings(
            subscriptions=dict.fromkeys(MARKETS.values(), SYMBOLS[:1]),
            stream_urls=dict.fromkeys(MARKETS.values(), venue.url.replace("http", "ws", 1)),
            clock_speed=SPEED,
            flush_s=5.0,
            late_s=60.0,
            poll_s=20.0,
            retry_s=15.0,
            longest_retry_s=60.0,
        ),
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with ray_workers(1):
        yield


def feed_process() -> psutil.Process:
    return wait_until(lambda: process_of_actor("MarketFeedActor"), what="the feed's process")


async def subscribe(postgres_url: str) -> None:
    """An operator adds the other symbol on every market."""
    postgres = await Postgres.open(postgres_url, max_connections=2)
    user_id = await new_user_id(postgres)
    for name in MARKETS.values():
        await SubscriptionStore(postgres, LiveSettings()).add(user_id, find_market(name), SYMBOLS[1:])
    await postgres.close()


def hold(settings: Settings, until_ms: int, symbols: Sequence[str] = SYMBOLS) -> None:
    """Wait until the store has every minute of each instrument from its first one to `until_ms`."""
    store = candle_store(settings)

    def missing(market_id: int, symbol: str) -> list[list[int]]:
        first_ms, _ = ray.get(store.span.remote(market_id, symbol))
        found: list[list[int]] = ray.get(
            store.missing_ranges.remote(market_id, symbol, first_ms, until_ms)
        ).tolist()
        return found if first_ms < until_ms - 60 * MINUTE_MS else [[until_ms, first_ms]]

    for market_id in MARKETS:
        for symbol in symbols:
            wait_until(
                partial(missing, market_id, symbol),
                lambda found: found == [],
                what=f"{symbol} of market {market_id} is whole",
                passing=(RayTaskError,),
            )


def test_a_feed_follows_what_operators_add_and_killed_again_and_again_loses_no_minute(
    cluster: None, venue: Venue, settings: Settings, postgres_url: str
) -> None:
    feed = market_feed(settings, "binance")
    ray.get(feed.ping.remote())
    hold(settings, venue.state()["clock"]["now_ms"], SYMBOLS[:1])
    asyncio.run(subscribe(postgres_url))
    for _ in range(2):
        until_ms = venue.state()["clock"]["now_ms"] + MINUTE_MS
        hold(settings, until_ms)
        feed_process().kill()
    last_ms = venue.state()["clock"]["now_ms"] + 2 * MINUTE_MS
    hold(settings, last_ms // MINUTE_MS * MINUTE_MS)
    print(f"PSS of a feed that works: {feed_process().memory_full_info().pss / 1e6:.0f} MB")
    assert {entry["market"] for entry in venue.sent(event="subscribed")} >= set(MARKETS.values())
    ray.kill(feed)


def standing_of(settings: Settings, run: SavedRun) -> RunStanding | None:
    found = asyncio.run(standings(settings, run.user_id))
    return next((one for one in found if one.run_id == run.run_id), None)


async def begun_run(postgres_url: str, at_ms: int) -> SavedRun:
    postgres = await Postgres.open(postgres_url, max_connections=2)
    spec = spec_with(timeframe="1m", indicators=[{"id": "ema", "params": {"window": 5}}])
    run = await saved_run(postgres, spec, from_ms(at_ms))
    await postgres.close()
    return run


def test_a_run_goes_live_over_the_feed_and_comes_back_when_its_runner_is_killed(
    cluster: None, venue: Venue, settings: Settings, postgres_url: str
) -> None:
    feed, runner = market_feed(settings, "binance"), live_runner(settings, 0)
    ray.get([feed.ping.remote(), runner.ping.remote()])
    run = asyncio.run(begun_run(postgres_url, venue.state()["clock"]["now_ms"]))
    for _ in range(2):
        known = wait_until(
            partial(standing_of, settings, run),
            lambda seen: seen is not None and seen.last_bar is not None,
            what="a bar of the run",
            passing=(ServiceUnavailable,),
        )
        assert known
        wait_until(
            partial(standing_of, settings, run),
            lambda seen, before=known: (
                seen is not None and seen.last_bar > before.last_bar and seen.lag_s is not None
            ),
            what="the next bar",
            passing=(ServiceUnavailable,),
        )
        wait_until(lambda: process_of_actor("LiveRunnerActor"), what="the runner's process").kill()
    ray.kill(feed)
    ray.kill(runner)


def test_a_runner_without_a_run_rests(cluster: None, settings: Settings) -> None:
    idle = settings.model_copy(update={"live_runs": LiveRunSettings(shards=256)})
    taken = shard_of("binance:spot:BTCUSDT", 256), shard_of("binance:spot:ETHUSDT", 256)
    runner = live_runner(idle, next(shard for shard in range(256) if shard not in taken))
    ray.get(runner.ping.remote())
    assert ray.get(runner.standings.remote(uuid4())) == []
    memory = (
        wait_until(lambda: process_of_actor("LiveRunnerActor"), what="its process").memory_full_info().pss / 1e6
    )
    print(f"a runner at rest: PSS {memory:.0f} MB")
    assert memory < 110
    ray.kill(runner)


def test_a_feed_without_a_subscription_rests(cluster: None, settings: Settings) -> None:
    idle = settings.model_copy(update={"live": LiveSettings()})
    feed = market_feed(idle, "bybit")
    ray.get(feed.ping.remote())
    process = feed_process()
    time.sleep(3)
    before, began = process.cpu_times(), time.monotonic()
    time.sleep(6)
    after = process.cpu_times()
    share = (after.user + after.system - before.user - before.system) / (time.monotonic() - began)
    memory = process.memory_full_info().pss / 1e6
    print(f"a feed at rest: PSS {memory:.0f} MB, {share:.2%} of a core")
    assert memory < 110
    assert share < 0.1
    ray.kill(feed)
