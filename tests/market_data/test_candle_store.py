"""The embedded candle store: the contract, kills, owners, and the real files."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from candleray.databases.statements import in_order, migrations, pending
from candleray.errors import InstanceError
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.insert_report import InsertReport
from tests.support.candle_files import rows_in
from tests.support.candle_store.batches import BatchContract
from tests.support.candle_store.inserting import InsertingContract
from tests.support.candle_store.instruments import InstrumentsContract
from tests.support.candle_store.reading import ReadingContract
from tests.support.candle_store.repair import RepairContract
from tests.support.candle_store.versions import VersionsContract
from tests.support.waiting import PATIENCE_S

YEAR_2025_MS = (1_735_689_600_000, 1_767_225_600_000)


class TestEmbedded(
    ReadingContract, InsertingContract, VersionsContract, InstrumentsContract, RepairContract, BatchContract
):
    @pytest.fixture
    def store(self, embedded_store: CandleStore) -> CandleStore:
        return embedded_store


def in_another_process(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


OPEN = """
import sys
from candleray.market_data.candle_store import CandleStore
store = CandleStore.open("chdb://" + sys.argv[1])
"""


def test_a_second_process_is_told_who_owns_the_path(embedded_store: CandleStore) -> None:
    path = embedded_store._session.address.removeprefix("chdb://")
    second = in_another_process(OPEN, path)
    assert f"InstanceError: another process owns {path}" in second.stderr


def test_a_process_is_told_that_it_can_open_one_path(embedded_store: CandleStore, tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match="cannot open"):
        CandleStore.open(f"chdb://{tmp_path}")


@pytest.mark.parametrize("name", ["file", "absent"])
def test_a_path_that_is_no_folder_is_told_and_no_store_begun_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    second = in_another_process(OPEN, tmp_path / name)
    assert f"InstanceError: there is no folder {tmp_path / name}" in second.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


WRITE = (
    OPEN
    + """
import numpy as np
from tests.support.candle_store.rows import candle_rows
store.migrate()
store.repair()
for batch in range(10_000):
    first = int(sys.argv[2]) + batch * 1000
    store.insert(1, "KILLUSDT", candle_rows(range(first, first + 1000)))
    print(first + 1000, flush=True)
"""
)

LOOK = (
    OPEN
    + """
import json
store.migrate()
restored = store.repair()
(counts,) = store.counts()
candles = store.read(1, "KILLUSDT", 0, 4 * 10**12)
minutes = (candles.ts_open_ms - candles.ts_open_ms[0]) // 60_000
unbroken = bool((minutes == range(len(minutes))).all())
print(json.dumps([counts.raw, counts.canonical, unbroken]))
"""
)


@pytest.mark.slow
def test_a_kill_during_inserts_loses_no_acknowledged_row_and_leaves_canonical_complete(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITE, str(tmp_path), str(acknowledged)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            acknowledged = int(writer.stdout.readline())
            time.sleep(random.random() / 2)
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged = int((writer.stdout.read().split() or [acknowledged])[-1])
        look = in_another_process(LOOK, tmp_path)
        answer = look.stdout.splitlines()[-1]  # before it, what was repaired
        raw, canonical, unbroken = json.loads(answer)
        assert canonical >= acknowledged
        assert raw == canonical, "nothing was written twice, nothing is missing"
        assert unbroken


HALF_MIGRATED = (
    OPEN
    + """
from candleray.databases.statements import migrations
first = migrations("clickhouse")[0]
store._session.run("create_migrations")
for statement in first.statements[: int(sys.argv[2])]:
    store._session._client.command(statement)
store.migrate()
from tests.support.candle_store.rows import candle_rows
store.insert(4, "HALFUSDT", candle_rows(range(10)))
print(store.counts())
"""
)


def test_a_migration_killed_in_the_middle_is_completed_at_the_next_start(tmp_path: Path) -> None:
    half = in_another_process(HALF_MIGRATED, tmp_path, 4)
    assert "raw=10, canonical=10" in half.stdout, half.stderr


BEFORE_SOURCES = (
    OPEN
    + """
from candleray.databases import clickhouse
from candleray.databases.statements import migrations
from tests.support.candle_store.rows import candle_rows
clickhouse.migrations = lambda database: migrations(database)[:1]
store._session.migrate()
for table, number in (("raw_binance_klines_1m", 1), ("raw_bybit_klines_1m", 3)):
    store._session._client.command(
        f"INSERT INTO {table} SELECT {number}, 'OLDUSDT', 'key', toDateTime64('2025-01-01 00:00:00', 3, 'UTC') "
        "+ INTERVAL number MINUTE, 10 + number / 1000, 11, 9, 10.5, 1, NULL, NULL, now64(3) FROM numbers(5)"
    )
clickhouse.migrations = migrations
for _ in range(2):
    store.migrate()
    for number in (1, 3):
        store.insert(number, "OLDUSDT", candle_rows(range(4, 8), close=10.75), "file")
sources = "SELECT source, count() AS n FROM raw_bybit_klines_1m GROUP BY source ORDER BY source"
print(store._session._client.query(sources).result_rows, store.counts())
store._session._client.command("DETACH TABLE bybit_klines_1m_to_canonical")
store._session._client.command("TRUNCATE TABLE canonical_candles_1m")
store._session._client.command("ATTACH TABLE bybit_klines_1m_to_canonical")
print(store.repair().canonical_restored, store.counts())
"""
)


def test_a_folder_of_before_sources_were_kept_goes_on_and_its_rows_say_unknown(tmp_path: Path) -> None:
    told = in_another_process(BEFORE_SOURCES, tmp_path)
    counts = [f"RowCounts(market_id={number}, symbol='OLDUSDT', raw=9, canonical=8)" for number in (1, 3)]
    lines = told.stdout.splitlines()
    assert lines[0] == f"[('file', 4), ('unknown', 5)] [{', '.join(counts)}]", told.stderr
    assert lines[-1] == f"16 [{', '.join(counts)}]", "repaired, the source left out"


def test_an_applied_migration_that_reads_differently_now_is_an_error() -> None:
    known = migrations("clickhouse")
    applied = {migration.number: migration.checksum for migration in known}
    assert pending(known, applied) == []
    assert pending(known, {}) == list(known)
    with pytest.raises(InstanceError, match=r"migration 1 \(candles\) was applied with other content"):
        pending(known, {**applied, 1: "0" * 64})
    with pytest.raises(InstanceError, match="a newer version has written it"):
        pending(known, {**applied, 9999: "0" * 64})


def test_two_migrations_of_one_number_are_an_error() -> None:
    first, *others = migrations("postgres")
    with pytest.raises(ValueError, match="have one number: 1"):
        in_order([first, *others, replace(first, name="other")])


def import_file(store: CandleStore, symbol: str, path: Path) -> InsertReport:
    return InsertReport.total(store.insert(1, symbol, rows) for rows in rows_in(path))


@pytest.mark.real_data
def test_the_outage_of_february_2018_is_named(embedded_store: CandleStore, shared_data: Path) -> None:
    report = import_file(
        embedded_store, "OUTAGEUSDT", shared_data / "candles/binance_spot_BTCUSDT_2018-02_with_outage.parquet"
    )
    (coverage,) = embedded_store.coverage(1, "OUTAGEUSDT")
    assert report.written == coverage.candles == 38_261
    assert coverage.missing_minutes == 2_059
    assert [run.minutes for run in coverage.missing_runs] == [2_010, 15, 34]


@pytest.mark.real_data
@pytest.mark.slow
def test_two_years_go_in_once_and_a_year_is_read_in_a_moment(
    embedded_store: CandleStore, shared_data: Path
) -> None:
    path = shared_data / "candles/binance_spot_BTCUSDT_2024-2025.parquet"
    began_s = time.process_time()
    first = import_file(embedded_store, "TWOYEARS", path)
    importing_s = time.process_time() - began_s
    again = import_file(embedded_store, "TWOYEARS", path)
    assert (first.written, again.written, again.unchanged) == (1_052_640, 0, 1_052_640)
    assert TestEmbedded.counts(embedded_store, "TWOYEARS") == (1_052_640, 1_052_640)
    durations_s = []
    for _ in range(5):
        began_s = time.process_time()
        year = embedded_store.read(1, "TWOYEARS", *YEAR_2025_MS)
        durations_s.append(time.process_time() - began_s)
    assert len(year) == 525_600
    # By the processor's time, and beside the import: a machine with other work is slower at both.
    assert min(durations_s) < importing_s / 10, (durations_s, importing_s)
