"""The candle store behind a name in a real Ray cluster: kills, owners, errors."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import ray
from ray.actor import ActorHandle

from actors.candle_store import candle_store
from actors.options import CANDLE_STORE, NAMESPACE
from actors.ray_errors import translated_errors
from candleray.errors import CandlerayError, InstanceError, NotFound, ServiceUnavailable
from candleray.inventory import Inventory
from candleray.settings import ServiceSettings, Settings
from tests.support.candle_store.rows import FOREVER, candle_rows
from tests.support.instances.processes import process_of_actor, running_script
from tests.support.instances.ray_workers import ray_workers
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def ray_alone() -> Iterator[None]:
    """A cluster of this module's own: the actor's name is one per cluster."""
    with ray_workers(1):
        yield


@pytest.fixture(scope="module")
def settings(ray_alone: None, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for(tmp_path_factory.mktemp("candles"))


def settings_for(path: Path) -> Settings:
    return Settings(services=ServiceSettings(clickhouse_url=f"chdb://{path}"))


def end(store: ActorHandle) -> None:
    """End it for good; return only when its name is free again."""
    ray.kill(store)
    with suppress(ValueError):
        wait_until(lambda: ray.get_actor(CANDLE_STORE["name"], NAMESPACE), lambda actor: actor is None)


def kill_process_of(store: ActorHandle) -> None:
    """`kill -9`, which Ray takes for a crash, unlike `ray.kill`."""
    ray.get(store.ping.remote())
    process = process_of_actor("CandleStoreActor")
    assert process
    process.kill()


def test_errors_arrive_as_they_were_raised(settings: Settings) -> None:
    store = candle_store(settings)
    ray.get(store.insert.remote(1, "BTCUSDT", candle_rows([0]), "rest"))
    with pytest.raises(NotFound) as error, translated_errors("the candle store"):
        ray.get(store.read.remote(1, "BTCUSD", *FOREVER))
    assert error.value.message == "unknown symbol 'BTCUSD' on binance-spot; did you mean 'BTCUSDT'?"


def test_everyone_gets_the_same_store(settings: Settings) -> None:
    ray.get(candle_store(settings).insert.remote(1, "SAMEUSDT", candle_rows([0]), "rest"))
    assert len(ray.get(candle_store(settings).read.remote(1, "SAMEUSDT", *FOREVER))) == 1


def test_a_kill_in_the_middle_of_inserts_costs_no_row_and_no_caller_notices(settings: Settings) -> None:
    store = candle_store(settings)
    reports = [
        store.insert.remote(1, "KILLUSDT", candle_rows(range(first, first + 500)), "rest")
        for first in range(0, 20_000, 500)
    ]
    ray.get(reports[3])
    kill_process_of(store)
    reports = ray.get(reports, timeout=PATIENCE_S)
    (counts,) = [row for row in ray.get(store.counts.remote()) if row.symbol == "KILLUSDT"]
    assert sum(report.written + report.unchanged for report in reports) == 20_000
    assert (counts.raw, counts.canonical) == (20_000, 20_000)


def test_a_part_that_breaks_is_found_by_the_read_that_fails_and_the_next_read_has_its_rows(
    settings: Settings, tmp_path: Path
) -> None:
    end(candle_store(settings))
    store = candle_store(settings_for(tmp_path))
    ray.get(store.insert.remote(1, "BROKENUSDT", candle_rows(range(7000)), "rest"))
    assert ray.get(store.ping.remote()) == ""
    (data,) = [  # the view writes what it passes on as of level 1
        count.with_name("data.bin")
        for count in tmp_path.glob("store/*/*/2025*_1/count.txt")
        if count.read_text() == "7000"
    ]
    content = bytearray(data.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 200] = bytes(200)
    data.write_bytes(content)
    with pytest.raises(ServiceUnavailable), translated_errors("the candle store"):
        ray.get(store.read.remote(1, "BROKENUSDT", *FOREVER))
    assert len(ray.get(store.read.remote(1, "BROKENUSDT", *FOREVER))) == 7000
    assert "1 broken part set aside (1 of canonical_candles_1m) with 7,000 rows" in ray.get(store.ping.remote())
    kill_process_of(store)
    assert "restored 0 raw rows" in ray.get(store.ping.remote())
    end(store)


MERGED_WITHOUT_ROOM = """
import resource, sys
from pydantic import SecretStr
from actors.candle_store import CandleStoreActor
from candleray.errors import ServiceUnavailable
from tests.support.candle_store.rows import FOREVER, candle_rows
store = CandleStoreActor(SecretStr(f"chdb://{sys.argv[1]}"), "INFO")
for first in range(0, 240, 60):
    store.insert(1, "MERGEDUSDT", candle_rows(range(first, first + 60)), "rest")
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
for table in ("raw_binance_klines_1m", "canonical_candles_1m"):
    store._opened._session._client.command(f"OPTIMIZE TABLE {table} FINAL")
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    store.read(1, "MERGEDUSDT", *FOREVER)
except ServiceUnavailable as error:
    print(error.message.replace("\\n", " "), file=sys.stderr)
stored = len(store.read(1, "MERGEDUSDT", *FOREVER))
print(stored, *[(row.raw, row.canonical) for row in store.counts()], flush=True)
"""


def test_a_merge_that_ended_with_empty_files_where_none_may_grow_costs_no_row(tmp_path: Path) -> None:
    with running_script(MERGED_WITHOUT_ROOM, tmp_path, stderr=subprocess.PIPE) as (process, told):
        assert told == "240 (240, 240)"
        assert process.stderr
        assert "Empty marks file" in process.stderr.read(), "the merge was refused: nothing was tried"


def put_back(away: Path, path: Path) -> None:
    """Replace what is there now, which the engine may go on making."""

    def is_back() -> bool:
        shutil.rmtree(path, ignore_errors=True)
        away.rename(path)
        return True

    wait_until(is_back, what="the folder is back", every_s=0.01, passing=(OSError,))


@pytest.mark.faults
def test_rows_are_not_acknowledged_where_the_folder_is_moved_away_during_their_write(
    settings: Settings, tmp_path: Path, fault_rounds: int
) -> None:
    """The engine makes a folder that it misses anew, and writes there."""
    end(candle_store(settings))
    inventory, path = Inventory(tmp_path), tmp_path / "clickhouse"
    inventory.begin()
    path.mkdir()
    store = candle_store(settings_for(path))
    ray.get(store.insert.remote(1, "MOVEDUSDT", candle_rows([0]), "rest"))
    inventory.note("clickhouse")
    moments, acknowledged = random.Random(3), 1
    for first in range(1, 5000 * fault_rounds, 500):
        write = store.insert.remote(1, "MOVEDUSDT", candle_rows(range(first, first + 500)), "rest")
        time.sleep(moments.uniform(0, 0.03))
        path.rename(tmp_path / "away")
        with suppress(CandlerayError), translated_errors("the candle store"):
            acknowledged += ray.get(write).written
        put_back(tmp_path / "away", path)
    kill_process_of(store)
    assert acknowledged <= sum(row.canonical for row in ray.get(store.counts.remote()))
    end(store)


def test_candles_already_read_outlive_the_actor(settings: Settings) -> None:
    store = candle_store(settings)
    given = candle_rows(range(50_000))
    ray.get(store.insert.remote(1, "READUSDT", given, "rest"))
    candles = store.read.remote(1, "READUSDT", *FOREVER)
    assert ray.wait([candles], timeout=PATIENCE_S)[0] == [candles]
    end(store)
    assert (ray.get(candles).values == given.values).all()


def test_another_owner_is_named_to_every_caller_until_it_is_gone(settings: Settings, tmp_path: Path) -> None:
    opened = f"""
import time
from candleray.market_data.candle_store import CandleStore
store = CandleStore.open("chdb://{tmp_path}")
print("open", flush=True)
time.sleep(600)
"""
    with running_script(opened) as (owner, _):
        end(candle_store(settings))
        store = candle_store(settings_for(tmp_path))
        for _ in range(2):
            with (
                pytest.raises(InstanceError, match=f"another process owns {tmp_path}"),
                translated_errors("the candle store"),
            ):
                ray.get(store.ping.remote())
        owner.kill()
    assert ray.get(store.counts.remote()) == []
