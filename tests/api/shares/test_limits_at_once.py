"""Limits of what one user may have hold when everything is asked for at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from candleray.market_data.candle_store import CandleStore
from serve_apps.examples import strategies
from tests.support.api.accounts import GRID, KEY, log_in, set_up, strategy_id
from tests.support.api.in_process_api import backend, serving_strangers, stored_walk

MOST, ASKED = 3, 24
VARIANT: dict[str, Any] = strategies.NEW_STRATEGIES["variant"]["value"]


def strategy(number: int) -> dict[str, Any]:
    return {"strategy": {**VARIANT["strategy"], "slippage_pct": number / 100}}


WANTED: dict[str, Any] = {
    "/tokens": lambda number: {"name": f"token {number}"},
    "/exchange-keys": lambda number: {**KEY, "label": f"key {number}"},
    "/strategies": strategy,
    "/backtests/jobs": lambda number: {**GRID, "top_k": number + 1},
}


@pytest.fixture
def store(embedded_store: CandleStore) -> CandleStore:
    stored_walk(embedded_store, "BTCUSDT")
    return embedded_store


@pytest.mark.parametrize("path", WANTED)
async def test_no_more_are_made_than_one_user_may_have(store: CandleStore, path: str) -> None:
    few: dict[str, Any] = {
        "identity": {"max_api_tokens": MOST, "max_exchange_keys": MOST},
        "strategies": {"max_per_user": MOST},
        "jobs": {"max_queued_per_user": MOST},
    }
    async with serving_strangers(backend(store, **few)) as api:
        await log_in(api)
        await set_up(api)
        answers = await asyncio.gather(*(api.post(path, json=WANTED[path](number)) for number in range(ASKED)))
    statuses = Counter(answer.is_success for answer in answers)
    assert statuses == {True: MOST, False: ASKED - MOST}
    assert {answer.status_code for answer in answers if not answer.is_success} <= {409, 422}


async def test_a_strategy_has_one_active_run_however_many_are_started(store: CandleStore) -> None:
    async with serving_strangers(backend(store)) as api:
        await log_in(api)
        body = {"strategy_id": await strategy_id(api)}
        answers = await asyncio.gather(*(api.post("/runs", json=body) for _ in range(ASKED)))
    assert Counter(answer.is_success for answer in answers) == {True: 1, False: ASKED - 1}
