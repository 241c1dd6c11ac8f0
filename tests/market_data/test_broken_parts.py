"""Broken parts of the embedded store: said, set aside, and made good from the other table."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from candleray.market_data.candle_repair import StoreCondition
from tests.support.waiting import PATIENCE_S

FILL = """
import sys
from candleray.market_data.candle_store import CandleStore
from tests.support.candle_store.rows import candle_rows
store = CandleStore.open("chdb://" + sys.argv[1])
store.migrate()
store.insert(1, "BTCUSDT", candle_rows(range(1000)))
store.insert(1, "BTCUSDT", candle_rows(range(1000, 3000)))
store.insert(3, "BTCUSDT", candle_rows(range(500)))
"""

LOOK = """
import json, sys
from candleray.market_data.candle_store import CandleStore
from candleray.errors import ServiceUnavailable
store = CandleStore.open("chdb://" + sys.argv[1])
store.migrate()
store.repair()
try:
    store.read(1, "BTCUSDT", 0, 4 * 10**12)
except ServiceUnavailable:
    pass
was_damaged = store.is_damaged
if was_damaged:
    store.repair(check=True)
candles = store.read(1, "BTCUSDT", 0, 4 * 10**12)
print(json.dumps({
    "counts": [(each.market_id, each.raw, each.canonical) for each in store.counts()],
    "close": [len(candles), float(candles.column("open").sum())],
    "condition": store.condition().model_dump(),
    "notice": store.condition().notice(),
    "was_damaged": was_damaged,
    "again": store.repair().model_dump(include={"raw_restored", "canonical_restored"}),
}))
"""


def in_a_process_of_its_own(script: str, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def opened_again(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(in_a_process_of_its_own(LOOK, path).splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    in_a_process_of_its_own(FILL, path)
    return path


@pytest.fixture
def filled(whole: Path, tmp_path: Path) -> Path:
    """A copy of the filled store, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "store", symlinks=True))


def part_of(path: Path, level: str, rows: int) -> Path:
    """The one part of that many rows: the view writes what it passes on as of level 1, an insert as of level 0."""
    (found,) = [
        count.parent for count in path.glob(f"store/*/*/2025*_{level}/count.txt") if count.read_text() == str(rows)
    ]
    return found


def truncated(part: Path) -> None:
    data = part / "data.bin"
    with data.open("r+b") as file:
        file.truncate(data.stat().st_size // 2)


def changed(part: Path) -> None:
    content = bytearray((part / "data.bin").read_bytes())
    content[len(content) // 3 : len(content) // 3 + 200] = bytes(200)
    (part / "data.bin").write_bytes(content)


def without_a_file(part: Path) -> None:
    (part / "data.bin").unlink()


WHOLE = [[1, 3000, 3000], [3, 500, 500]]
OPENS = [3000, pytest.approx(31498.5)]


@pytest.mark.parametrize("damage", [truncated, without_a_file])
def test_raw_rows_of_a_broken_part_come_back_from_canonical(filled: Path, damage: Any) -> None:
    damage(part_of(filled, "0", 2000))
    told = opened_again(filled)
    assert (told["counts"], told["close"]) == (WHOLE, OPENS)
    (part,) = told["condition"]["set_aside"]
    assert (part["table"], part["rows"]) == ("raw_binance_klines_1m", 2000)
    assert told["condition"]["raw_restored"] == 2000
    assert "1 broken part set aside (1 of raw_binance_klines_1m) with 2,000 rows" in told["notice"]
    assert "restored 2,000 raw rows from canonical" in told["notice"]
    assert told["again"] == {"raw_restored": 0, "canonical_restored": 0}


@pytest.mark.parametrize("damage", [truncated, without_a_file])
def test_canonical_rows_of_a_broken_part_come_back_from_raw(filled: Path, damage: Any) -> None:
    damage(part_of(filled, "1", 2000))
    told = opened_again(filled)
    assert (told["counts"], told["close"]) == (WHOLE, OPENS)
    assert [part["table"] for part in told["condition"]["set_aside"]] == ["canonical_candles_1m"]
    assert "2,000 canonical from raw" in told["notice"]


def test_a_part_whose_values_have_changed_is_found_by_the_read_that_fails_on_it(filled: Path) -> None:
    changed(part_of(filled, "1", 2000))
    told = opened_again(filled)
    assert told["was_damaged"]
    assert (told["counts"], told["close"]) == (WHOLE, OPENS)
    assert told["condition"]["canonical_restored"] == 2000


def test_of_a_store_without_a_broken_part_nothing_is_said(filled: Path) -> None:
    told = opened_again(filled)
    assert (told["counts"], told["notice"], told["was_damaged"]) == (WHOLE, "", False)


def test_rows_that_nobody_can_count_any_more_are_not_taken_for_none() -> None:
    told = {"set_aside": [{"table": "raw_bybit_klines_1m", "name": "x", "path": "", "rows": None}]}
    assert "with 0 rows or more" in StoreCondition.model_validate(told).notice()
