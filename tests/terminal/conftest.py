"""An API with candles of one instrument, and commands that are run against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from candleray import cli
from candleray.markets import MARKETS, InstrumentReference
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import DAY_MS
from tests.support.api.served import served_api
from tests.support.command_line import REQUEST, START_MS, SYMBOL, Run


@pytest.fixture(scope="module")
def api_url(embedded_store) -> Iterator[str]:
    """An API with four days of one instrument, eleven minutes of which are missing."""
    rows = GeneratedCandles().candles(MARKETS[1], "BTCUSDT", START_MS, START_MS + 4 * DAY_MS)
    kept = np.delete(np.arange(len(rows)), [100, *range(2000, 2010)])
    embedded_store.insert(1, SYMBOL, rows.take(kept))
    embedded_store.put_instruments([InstrumentReference(market_id=1, symbol=SYMBOL, price_tick=0.01)])
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture
def run(api_url) -> Run:
    """Runs a command against that API; stdout and stderr are apart."""

    def invoke(*args: object, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(cli.app, [*map(str, args), "--api", api_url], input=stdin)

    return invoke


@pytest.fixture
def request_file(tmp_path) -> Path:
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    return path
