"""One line of `candleray/markets.py` makes a market: in the store, the API, its schema and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from candleray.markets import MARKETS
from tests.support.house_copy import ROOT, copy_house, run_in

pytestmark = [pytest.mark.slow]

NEW_ID = len(MARKETS) + 1

STORE = """
import sys
import numpy as np
from candleray.candles import CandleRows
from candleray.market_data.candle_store import CandleStore

minutes = 1_735_689_600_000 + np.arange(100, dtype=np.int64) * 60_000
rows = CandleRows.of(minutes, np.tile(np.linspace(100.0, 101.0, 100), (5, 1)))
store = CandleStore.open(f"chdb://{sys.argv[1]}")
store.migrate()
"""

FILL = STORE + "store.insert(1, 'BTCUSDT', rows)"

ASK = (
    STORE
    + """
import asyncio, json
from candleray.market_data.arrow_stream import ARROW, decode_bars, encode_rows
from tests.support import embedded
from tests.support.api.in_process_api import backend, serving

async def ask():
    place = {"market_id": int(sys.argv[2]), "symbol": "BTCUSDT"}
    async with serving(backend(store)) as api:
        inserted = await api.post(
            "/market-data/candles", params=place, content=encode_rows(rows), headers={"content-type": ARROW}
        )
        bars = await api.get("/market-data/candles", params=place, headers={"accept": ARROW})
        return {
            "inserted": inserted.json(),
            "closes": decode_bars(bars.content)[0]["close"].to_pylist() == rows.values[3].tolist(),
            **{
                path: (await api.get(path)).json()
                for path in ("/market-data/markets", "/market-data/counts", "/openapi.json")
            },
        }

print(json.dumps(asyncio.run(ask())))
embedded.stop_services()
"""
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with one market more."""
    copy = copy_house(tmp_path_factory.mktemp("house"))
    file = copy / "candleray" / "markets.py"
    last = f"        Market({len(MARKETS)}, "
    lines = file.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.startswith(last))
    lines.insert(at + 1, f'        Market({NEW_ID}, "kraken", "spot", fee_pct=0.4),\n')
    file.write_text("".join(lines))
    return copy


@pytest.fixture(scope="module")
def answers(house: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The API's answers over a store that was filled before there was the market."""
    candles = str(tmp_path_factory.mktemp("candles"))
    run_in(ROOT, "-c", FILL, candles)
    answers: dict[str, Any] = json.loads(run_in(house, "-c", ASK, candles, str(NEW_ID)).splitlines()[-1])
    return answers


def test_the_api_lists_it(answers: dict[str, Any]):
    assert answers["/market-data/markets"][-1] == {
        "market_id": NEW_ID,
        "name": "kraken-spot",
        "exchange": "kraken",
        "market_type": "spot",
        "fee_pct": 0.4,
    }


def test_its_candles_are_kept_and_read_back_beside_those_of_before(answers: dict[str, Any]):
    assert (answers["inserted"]["received"], answers["inserted"]["written"]) == (100, 100)
    assert answers["closes"]
    assert [(row["market_id"], row["raw"], row["canonical"]) for row in answers["/market-data/counts"]] == [
        (1, 100, 100),
        (NEW_ID, 100, 100),
    ]


def test_every_schema_takes_it(answers: dict[str, Any]):
    ids = list(schemas_of_market_ids(answers["/openapi.json"]))
    assert len(ids) > 5
    assert {schema["maximum"] for schema in ids} == {NEW_ID}
    assert all(f"{NEW_ID} kraken-spot" in schema["description"] for schema in ids)


def schemas_of_market_ids(document: Any) -> Iterator[dict[str, Any]]:
    """The schema of every property and parameter `market_id` that a caller may send."""
    if isinstance(document, list):
        for inner in document:
            yield from schemas_of_market_ids(inner)
    elif isinstance(document, dict):
        property_ = document.get("properties", {}).get("market_id", {})
        parameter = document.get("schema", {}) if document.get("name") == "market_id" else {}
        for schema in (property_, parameter):
            yield from (choice for choice in [schema, *schema.get("anyOf", ())] if "maximum" in choice)
        for inner in document.values():
            yield from schemas_of_market_ids(inner)


def test_the_help_of_the_command_line_names_it(house: Path):
    for command in ("backfill", "candles"):
        assert "kraken-spot" in run_in(house, "-m", "candleray", command, "--help"), command
