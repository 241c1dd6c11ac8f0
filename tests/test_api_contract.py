"""The whole API against its own OpenAPI document: no failure of ours, every answer as declared, the same twice."""

from __future__ import annotations

import asyncio
import json
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

from candleray.stores.clickhouse import CandleStore
from serve_apps.api import build_api
from tests.in_process_api import backend, serving, stored_walk

SCHEMA = schemathesis.openapi.from_dict(build_api(backend(object())).openapi())
OPERATIONS = [operation.ok() for operation in SCHEMA.get_all_operations()]
NOT_ASKED = {
    "POST /logout": "ends the session that the others use",
    "DELETE /sessions": "ends the sessions of the tests beside this one",
    "GET /backtests/jobs/{job_id}/events": "streams for as long as a job runs",
    "POST /market-data/candles": "takes Arrow, which cannot be made from a schema",
}

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.label not in NOT_ASKED], ids=lambda one: one.label
)
async def test_no_5xx_and_every_answer_is_as_declared(embedded_store: CandleStore, operation: Any):
    stored_walk(embedded_store, "BTCUSDT")
    async with serving(backend(embedded_store)) as api:
        loop = asyncio.get_running_loop()

        def send(case: Any) -> httpx.Response:
            wanted = case.as_transport_kwargs(base_url="http://api")
            wanted = {name: wanted[name] for name in ("params", "json", "headers") if wanted.get(name) is not None}
            path = str(case.formatted_path)
            asked = api.request(case.method, path, **wanted)
            return asyncio.run_coroutine_threadsafe(asked, loop).result(60)

        @given(case=operation.as_strategy())
        @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def check(case: Any) -> None:
            case.validate_response(send(case), checks=CHECKS)

        await asyncio.to_thread(check)


def spoiled(value: Any, poison: Any) -> Any:
    """The same content with every text replaced."""
    if isinstance(value, dict):
        return {key: spoiled(inner, poison) for key, inner in value.items()}
    if isinstance(value, list):
        return [spoiled(inner, poison) for inner in value]
    return poison if isinstance(value, str) else value


BODIES = {
    (path, method): next(iter(content["examples"].values()))["value"]
    for path, methods in SCHEMA.raw_schema["paths"].items()
    for method, operation in methods.items()
    # Wrong codes are counted: the second answer rightly is another one. tests/test_second_factor.py has these.
    if not path.startswith("/second-factor")
    if (content := operation.get("requestBody", {}).get("content", {}).get("application/json"))
}
DEEP = json.loads("[" * 200 + "]" * 200)


@pytest.mark.parametrize(("path", "method"), BODIES)
async def test_hostile_text_in_every_field_is_refused_twice_in_the_same_bytes(
    embedded_store: CandleStore, path: str, method: str
):
    body = BODIES[path, method]
    place = path.format_map(
        {name: "0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1" for name in ("strategy_id", "run_id", "job_id")}
    )
    async with serving(backend(embedded_store)) as api:
        poisons = ["'; DROP TABLE users; --", "../../etc/passwd", "\x00", "\ud800", "x" * 10_000, DEEP, {"$ne": 1}]
        for wrong in [*(spoiled(body, poison) for poison in poisons), [], DEEP, {"x": body}]:
            if wrong == body:
                continue
            content = json.dumps(wrong)
            answers = [
                await api.request(method, place, content=content, headers={"Content-Type": "application/json"})
                for _ in range(2)
            ]
            assert 400 <= answers[0].status_code < 500, (path, wrong, answers[0].text)
            assert (answers[0].status_code, answers[0].content) == (answers[1].status_code, answers[1].content)
            assert len(answers[0].content) < 20_000
