"""The OpenAPI document: complete, with examples that hold, and derived from the routes that are there."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import serve_apps.routes
from candleray.backtests.chance.null_model import NullModel
from candleray.backtests.explanation import Explanation
from candleray.backtests.preflight import Preflight
from candleray.backtests.result import BacktestResult
from candleray.backtests.robustness import Robustness
from candleray.errors import error_classes
from candleray.feeds.subscriptions import (
    NewSubscriptions,
    Subscription,
    SubscriptionRequest,
    SubscriptionsReport,
)
from candleray.indicators.catalogue import get_catalogue
from candleray.indicators.info import IndicatorInfo
from candleray.indicators.request_models import get_request_models
from candleray.indicators.series import IndicatorSeries
from candleray.jobs.job import Job, JobDetail, JobTop
from candleray.market_data.backfill_report import BackfillRequest, BackfillStep
from candleray.market_data.coverage import Coverage
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.instruments.changes import ListingReport
from candleray.market_data.pages import CandlePage, ChangesPage, InstrumentPage
from candleray.markets import InstrumentReference
from candleray.portfolio.portfolio_request import PortfolioRequest, SuggestionRequest
from candleray.portfolio.portfolio_result import PortfolioResult, Suggestion
from kernels.indicators import INDICATORS
from serve_apps.examples import (
    backtests,
    indicators,
    jobs,
    market_data,
    nulls,
    portfolios,
    robustness,
    subscriptions,
)
from serve_apps.http.openapi import ERRORS, ErrorAnswer
from serve_apps.http.readiness import NotReady
from serve_apps.routes.health import _NOT_READY
from serve_apps.routes.instruments import MarketInfo
from tests.support.api import api_document
from tests.support.api.in_process_api import backend, serving


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return api_document.document()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_of_the_first_slice_is_there(document):
    assert set(operations(document)) >= {
        "GET /health",
        "GET /ready",
        "GET /metrics",
        "GET /indicators",
        "GET /indicators/{indicator_id}",
        "POST /indicators/compute",
        "GET /market-data/markets",
        "GET /market-data/instruments",
        "POST /market-data/instruments",
        "GET /market-data/candles",
        "POST /market-data/candles",
        "GET /market-data/coverage",
        "GET /market-data/missing",
        "POST /backtests",
    }


def test_every_operation_is_described(document):
    for name, operation in operations(document).items():
        assert operation["summary"], name
        assert len(operation["description"]) > 40, name
        assert operation["tags"], name
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{name} {parameter['name']}"


def test_operation_ids_are_the_names_of_functions_and_unique(document):
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(ids)) == len(ids)
    assert all(one.isidentifier() for one in ids)


def test_every_operation_documents_the_error_payload(document):
    for name, operation in operations(document).items():
        for status in ("4XX", "5XX"):
            content = operation["responses"][status]["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}, name
            assert content["examples"], name


def test_every_operation_has_an_example_of_its_answer_and_of_its_body(document):
    for name, operation in operations(document).items():
        answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert len(answers) == 1, name
        contents = answers[0].get("content", {}).values()
        assert "204" in operation["responses"] or any("example" in content for content in contents), name
        bodies = operation.get("requestBody", {}).get("content", {}).items()
        assert all("examples" in content for kind, content in bodies if kind == "application/json"), name


def test_every_reference_of_the_document_leads_somewhere(document):
    schemas = document["components"]["schemas"]

    def references(content: Any) -> list[str]:
        if isinstance(content, dict):
            own = [content["$ref"]] if "$ref" in content else []
            return own + [found for value in content.values() for found in references(value)]
        return [found for value in content for found in references(value)] if isinstance(content, list) else []

    assert {name.removeprefix("#/components/schemas/") for name in references(document)} <= set(schemas)


def test_every_indicator_is_in_the_schema_with_its_bounds(document):
    schemas = document["components"]["schemas"]
    for name, indicator in INDICATORS.items():
        title = name.title().replace("_", "")
        assert schemas[f"{title}Axes"]["properties"]["id"]["const"] == name
        for param in indicator.params:
            bounds = get_catalogue().ranges.indicators[name].params[param]
            shown = schemas[f"{title}Values"]["properties"][param]
            assert (shown["minimum"], shown["maximum"]) == (bounds.min, bounds.max)


@pytest.mark.parametrize("example", [one["value"] for one in backtests.BACKTEST_REQUESTS.values()])
def test_the_examples_of_a_backtest_are_valid(example):
    get_request_models().validated_request(example)


@pytest.mark.parametrize(
    ("model", "example"),
    [
        *((get_request_models().series, one["value"]) for one in indicators.SERIES_REQUESTS.values()),
        *((list[InstrumentReference], one["value"]) for one in market_data.INSTRUMENT_BODIES.values()),
        (BackfillStep, market_data.BACKFILL_STEP),
        (ChangesPage, market_data.CHANGES),
        (ListingReport, market_data.LISTING_REPORT),
        (Subscription, subscriptions.SUBSCRIPTION),
        (SubscriptionsReport, subscriptions.REPORT),
        *((NewSubscriptions, one["value"]) for one in subscriptions.BODIES.values()),
        *(
            (SubscriptionRequest, subscriptions.REQUEST | after)
            for after in ({}, subscriptions.ACCEPTED, subscriptions.REFUSED)
        ),
        *((BackfillRequest, one["value"]) for one in market_data.BACKFILL_BODIES.values()),
        (BacktestResult, backtests.BACKTEST_RESULT),
        (Explanation, backtests.EXPLANATION),
        (NullModel, nulls.NULL_MODEL),
        (PortfolioResult, portfolios.PORTFOLIO_RESULT),
        *((PortfolioRequest, one["value"]) for one in portfolios.PORTFOLIO_REQUESTS.values()),
        (Suggestion, portfolios.SUGGESTION),
        *((SuggestionRequest, one["value"]) for one in portfolios.SUGGESTION_REQUESTS.values()),
        (Robustness, robustness.ROBUSTNESS),
        (CandlePage, market_data.CANDLES),
        (Job, jobs.JOB),
        (JobDetail, jobs.JOB_DETAIL),
        (JobTop, jobs.JOB_TOP),
        (Preflight, jobs.PREFLIGHT),
        (Coverage, market_data.COVERAGE),
        (IndicatorInfo, indicators.INDICATOR),
        (IndicatorSeries, indicators.SERIES),
        (InsertReport, market_data.INSERT_REPORT),
        (InstrumentPage, market_data.INSTRUMENTS),
        (MarketInfo, market_data.MARKET),
        (NotReady, _NOT_READY),
    ],
    ids=lambda part: getattr(part, "__name__", "") if isinstance(part, type) else "",
)
def test_the_examples_of_bodies_and_answers_are_valid(model, example):
    TypeAdapter(model).validate_python(example)


def test_the_examples_of_errors_have_codes_that_the_sdk_knows():
    for documented in ERRORS.values():
        for code, example in documented["content"]["application/json"]["examples"].items():
            assert ErrorAnswer.model_validate(example["value"]).error.code == code
            assert code in error_classes()


async def test_a_route_is_added_by_adding_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = """
        from fastapi import APIRouter

        router = APIRouter(tags=["weather"])


        @router.get("/weather")
        async def weather() -> dict[str, str]:
            return {"sky": "blue"}
    """
    (tmp_path / "weather.py").write_text(textwrap.dedent(source))
    monkeypatch.setattr(serve_apps.routes, "__path__", [*serve_apps.routes.__path__, str(tmp_path)])
    try:
        async with serving(backend(object())) as api:
            assert (await api.get("/weather")).json() == {"sky": "blue"}
            assert "did you mean /weather?" in (await api.get("/weathr")).text
            assert "/weather" in (await api.get("/openapi.json")).json()["paths"]
    finally:
        sys.modules.pop("serve_apps.routes.weather", None)


async def test_the_document_is_served_and_shown():
    async with serving(backend(object())) as api:
        document = (await api.get("/openapi.json")).json()
        assert (document["info"]["title"], document["openapi"][:2]) == ("Candleray", "3.")
        assert document["info"]["version"]
        assert (await api.get("/docs")).status_code == 200
