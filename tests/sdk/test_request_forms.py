"""Forms of a request: a model, a dict and the bytes of its JSON are the same to every method that takes one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import httpx
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import BaseModel

from candleray import (
    BacktestRequest,
    CandleRows,
    Certificate,
    Client,
    InstrumentReference,
    MiniAppLogin,
    NotFound,
    NotificationPolicy,
    PortfolioRequest,
    SeriesRequest,
    StrategySpec,
    SuggestionRequest,
    TokenRequest,
    WidgetLogin,
)
from candleray.live.events import EventKind
from serve_apps.examples import certificates as examples

INSTRUMENT = {"market_id": 3, "symbol": "BTCUSDT"}
RANGE = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"}
BACKTEST = BacktestRequest.model_validate(
    {"instrument": INSTRUMENT, "timeframe": "5m", "time_range": RANGE, "indicators": [{"id": "sma"}]}
)
SERIES = SeriesRequest.model_validate({"instrument": INSTRUMENT, "indicator": {"id": "sma"}, "last": 10})
SPEC = StrategySpec.model_construct(timeframe="5m")
TOKEN = TokenRequest(name="notebook")
CERTIFICATE = Certificate.model_validate(examples.CERTIFICATE)
WIDGET = WidgetLogin(id=7, username="init_data", auth_date=1, hash="0" * 64)
MINI_APP = MiniAppLogin(init_data="query_id=1")
ANY_ID = UUID(int=1)
SUGGESTION = SuggestionRequest.model_validate({"members": [{"strategy_id": ANY_ID}], "time_range": RANGE})
PORTFOLIO = PortfolioRequest.model_validate({"members": [{"strategy_id": ANY_ID}], "time_range": RANGE})

POLICY = NotificationPolicy(kinds=(EventKind.ENTRY, EventKind.EXIT))

REQUESTS: dict[str, tuple[BaseModel, Callable[[Client, Any], object]]] = {
    "backtest": (BACKTEST, lambda client, request: client.backtest(request)),
    "explain": (BACKTEST, lambda client, request: client.explain(request)),
    "preflight": (BACKTEST, lambda client, request: client.preflight(request)),
    "submit": (BACKTEST, lambda client, request: client.submit(request)),
    "null": (BACKTEST, lambda client, request: client.null(request)),
    "null_parts": (BACKTEST, lambda client, request: next(client.null_parts(request))),
    "robustness": (BACKTEST, lambda client, request: client.robustness(request)),
    "portfolio": (PORTFOLIO, lambda client, request: client.portfolio(request)),
    "suggest_portfolio": (SUGGESTION, lambda client, request: client.suggest_portfolio(request)),
    "report": (BACKTEST, lambda client, request: client.report(request)),
    "report_curve": (BACKTEST, lambda client, request: client.report_curve(request)),
    "report_trades": (BACKTEST, lambda client, request: client.report_trades(request)),
    "compute": (SERIES, lambda client, request: client.compute(request)),
    "save_strategy": (SPEC, lambda client, request: client.save_strategy(request)),
    "verify_certificate": (CERTIFICATE, lambda client, request: client.verify_certificate(request)),
    "create_token": (TOKEN, lambda client, request: client.create_token(request)),
    "log_in": (WIDGET, lambda client, request: client.log_in(request)),
    "log_in by a Mini App": (MINI_APP, lambda client, request: client.log_in(request)),
    "set_telegram_policy": (POLICY, lambda client, request: client.set_telegram_policy(request)),
}
IN_PARTS = {"clone_strategy": "changes have no model", "put_instruments": "many, each a model or a dict"}


def sent(act: Callable[[Client], object]) -> tuple[str, Any]:
    """The path and the JSON of the request that this makes."""
    seen: list[tuple[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.path, json.loads(request.content)))
        return httpx.Response(404, json={"error": {"code": "not_found", "message": "seen", "problems": []}})

    with (
        Client("http://host", token="one", transport=httpx.MockTransport(answer)) as client,
        pytest.raises(NotFound, match="seen"),
    ):
        act(client)
    return seen[0]


@pytest.mark.parametrize("method", REQUESTS)
def test_a_model_a_dict_and_bytes_are_sent_alike(method: str):
    model, call = REQUESTS[method]
    content = model.model_dump_json(exclude_none=True)
    of_model = sent(lambda client: call(client, model))
    assert of_model == sent(lambda client: call(client, json.loads(content)))
    assert of_model == sent(lambda client: call(client, content.encode()))


def test_a_login_goes_to_the_route_of_its_kind():
    assert sent(lambda client: client.log_in(WIDGET))[0] == "/login/telegram/widget"
    assert sent(lambda client: client.log_in(MINI_APP))[0] == "/login/telegram/mini-app"


def test_changes_of_a_clone_may_be_bytes_and_instruments_dicts():
    changes = {"risk": {"sl_pct": 2}}
    of_dict = sent(lambda client: client.clone_strategy(ANY_ID, changes))
    assert of_dict == sent(lambda client: client.clone_strategy(ANY_ID, json.dumps(changes).encode()))
    instrument = InstrumentReference(market_id=3, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT")
    of_model = sent(lambda client: client.put_instruments([instrument]))
    assert of_model == sent(lambda client: client.put_instruments([instrument.model_dump(mode="json")]))


def takes_mapping(kind: Any) -> bool:
    parts = kind if isinstance(kind, list) else get_args(kind)
    return get_origin(kind) is Mapping or any(takes_mapping(part) for part in parts)


def test_every_method_that_takes_a_dict_is_tried_here():
    hints = {
        name: get_type_hints(method, localns={"pa": pa, "pd": pd, "CandleRows": CandleRows})
        for name, method in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and name != "send"
    }
    takes_dict = {
        name
        for name, kinds in hints.items()
        if any(takes_mapping(kind) for parameter, kind in kinds.items() if parameter != "return")
    }
    assert takes_dict == {name.partition(" ")[0] for name in REQUESTS} | set(IN_PARTS)
