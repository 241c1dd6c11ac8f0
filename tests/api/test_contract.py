"""The whole API against its own OpenAPI document: no failure of ours, every answer as declared."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from candleray.databases.postgres import Postgres
from candleray.market_data.candle_store import CandleStore
from tests.api.attacks.target import Target
from tests.support.api.api_document import document, operations
from tests.support.api.in_process_api import backend, serving_strangers, stored_walk
from tests.support.api.successes import be_somebody, wanted

SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {str(one): one for one in operations()}
DESCRIBED = {operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations()}
NOT_FUZZED = {
    "GET /events": "goes on",
    "GET /backtests/jobs/{job_id}/events": "streams for as long as a job runs",
    "POST /market-data/candles": "takes Arrow, which cannot be made from a schema",
}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
async def somebody(embedded_store: CandleStore, postgres: Postgres) -> AsyncIterator[Target]:
    stored_walk(embedded_store, "BTCUSDT")
    async with serving_strangers(backend(embedded_store)) as client:
        somebody = Target(client, postgres)
        await be_somebody(somebody)
        yield somebody


async def send(api: httpx.AsyncClient, case: Any) -> httpx.Response:
    """Send it, and hold the answer against the document."""
    if isinstance(case.body, bytes):
        asked = {"params": case.query, "content": case.body, "headers": {"Content-Type": case.media_type}}
    else:
        asked = case.as_transport_kwargs(base_url="http://api")
        asked = {name: asked[name] for name in ("params", "json", "headers") if asked.get(name) is not None}
    answer = await api.request(case.method, str(case.formatted_path), **asked)
    case.validate_response(answer, checks=CHECKS)
    return answer


@pytest.mark.parametrize("name", OPERATIONS)
async def test_what_is_documented_succeeds_and_is_answered_as_declared(somebody: Target, name: str):
    statuses = []
    async for one in wanted(OPERATIONS[name], somebody):
        given = {"body": one.body, "media_type": one.media_type} if one.body is not None else {}
        case = DESCRIBED[name].Case(path_parameters=one.ids, query=one.query, **given)
        statuses.append((await send(somebody.api, case)).status_code)
    assert any(200 <= status < 300 for status in statuses), statuses


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in NOT_FUZZED])
async def test_no_5xx_and_every_answer_is_as_declared(
    somebody: Target, name: str, contract_examples: int, record_property: Callable[[str, Any], None]
):
    """Every other request names what the caller owns, made anew: fuzzing alone finds nothing that exists."""
    loop, asked = asyncio.get_running_loop(), Counter[int]()

    async def ask(case: Any) -> None:
        case.headers = {key: value for key, value in case.headers.items() if key.lower() != "authorization"}
        if asked.total() % 2 == 0:
            one = await anext(wanted(OPERATIONS[name], somebody, anew=asked.total() % 20 == 0))
            case.path_parameters, case.query = one.ids, {**(case.query or {}), **one.query}
            if asked.total() % 4 == 0 and one.body is not None:
                case.body, case.media_type = one.body, one.media_type
        if isinstance(case.body, dict) and "label" in case.body:
            case.body["label"] = "main"  # else it is now and then the very text that is the secret
        asked[(await send(somebody.api, case)).status_code] += 1

    @given(case=DESCRIBED[name].as_strategy())
    @settings(
        max_examples=contract_examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    def check(case: Any) -> None:
        asyncio.run_coroutine_threadsafe(ask(case), loop).result(60)

    await asyncio.to_thread(check)
    record_property("contract", (name, dict(asked)))
