"""Portfolios by REST, by the SDK and by the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from candleray import Client, InvalidInput
from candleray.databases.postgres import Postgres
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState
from candleray.market_data.candle_store import CandleStore
from candleray.settings import JobSettings
from candleray.terminal.strip_charts import strip_chart
from tests.support import embedded
from tests.support.api.in_process_api import stored_walk
from tests.support.api.served import served_api
from tests.support.command_line import Run

SYMBOLS = ("PFOLAUSDT", "PFOLBUSDT")
RANGE = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-07T00:00:00Z"}


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore) -> Iterator[str]:
    for seed, symbol in enumerate(SYMBOLS):
        stored_walk(embedded_store, symbol, 8640, seed)
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture
def client(api_url: str) -> Iterator[Client]:
    with Client(api_url) as one:
        yield one


def strategy(window: int, symbol: str = SYMBOLS[0], timeframe: str = "5m") -> dict[str, Any]:
    instrument = {"market_id": 1, "symbol": symbol}
    return {
        "instrument": instrument,
        "timeframe": timeframe,
        "indicators": [{"id": "sma", "params": {"window": window}}],
        "fee_pct": 0.01,
    }


def portfolio(*members: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"members": list(members), "time_range": RANGE, **changes}


def test_saved_strategies_and_written_ones_share_an_account(run: Run, client: Client, tmp_path: Path):
    saved = client.save_strategy(strategy(20, SYMBOLS[1], "15m"))
    asked = portfolio(
        {"strategy": strategy(9), "name": "quick"},
        {"strategy_id": saved.name},
        rebalance="daily",
        limits={"max_gross_exposure": 0.7, "daily_loss_limit_pct": 1},
    )
    file = tmp_path / "portfolio.json"
    file.write_text(json.dumps(asked))
    told = run("portfolio", file)
    assert told.exit_code == 0, told.stderr
    assert "quick" in told.stdout
    assert saved.name in told.stdout
    assert "5 rebalances moved" in told.stdout
    assert "daily_loss_limit_pct halted it until 2025-01-0" in told.stdout
    assert "█" in told.stdout
    found = client.portfolio(asked)
    assert json.loads(run("portfolio", file, "--json").stdout) == found.model_dump(mode="json")
    assert found.members[1].name == saved.name
    assert len(found.days) == 6


def test_a_portfolio_of_one_is_its_backtest(client: Client):
    one = strategy(9)
    alone = client.backtest({**one, "time_range": RANGE}).top[0]
    assert client.portfolio(portfolio({"strategy": one})).metrics == alone.metrics


def test_what_is_wrong_with_a_member_names_its_place(client: Client):
    unknown = "5b6ad8a4-0000-4000-8000-000000000000"
    for member, words in (
        ({"strategy": strategy(0)}, "members.1.indicators.0"),
        ({"strategy_id": unknown}, f"member 1: there is no strategy {unknown}"),
        ({"strategy": strategy(9, "NOWHEREUSDT")}, "NOWHEREUSDT"),
    ):
        with pytest.raises(Exception, match=words):
            client.portfolio(portfolio({"strategy": strategy(9)}, member))


def test_members_are_chosen_from_a_jobs_top_in_sample(run: Run, client: Client):
    grid = {**strategy(9), "time_range": RANGE, "top_k": 8}
    grid["indicators"] = [{"id": "sma", "params": {"window": {"start": 4, "stop": 60, "step": 8}}}]
    job = client.submit(grid)
    asyncio.run(_succeed(client, job.job_id, grid))
    told = run("portfolio", "suggest", job.job_id, "--members", 2, "--max-correlation", 0.95)
    assert told.exit_code == 0, told.stderr
    assert "2 of 8 candidates: together a Sharpe ratio of" in told.stdout
    assert "The choice was made in sample" in told.stdout
    alike = run("portfolio", "suggest", job.job_id, "--members", 8, "--max-correlation", -1)
    assert alike.exit_code == 2
    assert "no two correlate more than -1 by day: allow more, or choose fewer" in alike.stderr
    with pytest.raises(InvalidInput, match="3 of 1 members: choose fewer, or name more"):
        client.suggest_portfolio({"members": [{"strategy": strategy(9)}], "time_range": RANGE, "choose": 3})


async def _succeed(client: Client, job_id: Any, grid: dict[str, Any]) -> None:
    postgres = await Postgres.open(embedded.postgres_url(), max_connections=1)
    attempts = Attempts(postgres, JobSettings())
    assert await attempts.move(job_id, JobState.RUNNING, "its turn has come")
    await attempts.finish(job_id, 1, client.backtest(grid))
    await postgres.close()


def test_a_chart_goes_from_the_lowest_to_the_highest_point():
    lines = strip_chart([1.0, 2.0, 1.5], width=3)
    assert lines[0].split() == ["2.00", "█"]
    assert lines[-1].split() == ["1.00", "▁██"]
