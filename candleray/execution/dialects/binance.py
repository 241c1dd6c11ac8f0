"""Binance's USDT-margined perpetuals: `/fapi`, each request signed over its query.

A client order id is unique among open orders alone, so that one that has filled could be placed once more: nothing
is sent again before it is known to be absent. Source: Binance's documentation of `/fapi` (2026-04).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from candleray.errors import CandlerayError, OrderNotTaken, OrderRejected, OutcomeUnknown
from candleray.exchanges.exchange import MalformedAnswer
from candleray.exchanges.json_answers import flag, member
from candleray.execution.dialects.dialect import (
    FillPage,
    PrivateRequest,
    SignedRequest,
    decimal_member,
    plain,
    side_of,
    state_of,
)
from candleray.execution.fills import Balance, Fill, Position
from candleray.execution.gateway import KeyPermissions
from candleray.execution.orders import OrderReport, OrderRequest, OrderState, OrderType
from candleray.execution.signing import Credentials, signature

API_KEY = "x-mbx-apikey"
ORDER_PATH, OPEN_PATH, FILLS_PATH = "/fapi/v1/order", "/fapi/v1/openOrders", "/fapi/v1/userTrades"
POSITION_PATH, BALANCE_PATH = "/fapi/v3/positionRisk", "/fapi/v3/balance"
PERMISSIONS_PATH = "/sapi/v1/account/apiRestrictions"
MOST_FILLS = 1000
TYPES = {OrderType.MARKET: "MARKET", OrderType.LIMIT: "LIMIT", OrderType.STOP: "STOP_MARKET"}
STATES: Mapping[str, OrderState] = {
    "NEW": OrderState.ACKNOWLEDGED,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
NO_SUCH_ORDER, DUPLICATE_ID, BAD_SIGNATURE = -2013, -4116, -1022
_NOT_TAKEN = {
    -1003: "too many requests",
    -1008: "overloaded",
    -1015: "too many orders",
    -1021: "the clock is off",
}
_IN_DOUBT = (-1000, -1001, -1006, -1007, DUPLICATE_ID, BAD_SIGNATURE)
"""Among them refusals of what it may have taken already, where something on the way sent it twice."""


class BinanceOrders:
    def sign(
        self, request: PrivateRequest, credentials: Credentials, timestamp_ms: int, window_ms: int
    ) -> SignedRequest:
        fields = {name: _text(value) for name, value in request.params.items()}
        query = urlencode({**fields, "recvWindow": window_ms, "timestamp": timestamp_ms})
        signed = f"{query}&signature={signature(credentials.secret, query)}"
        return SignedRequest(request.method, request.path, signed, headers={API_KEY: credentials.api_key})

    def failure(self, status: int, content: Any) -> CandlerayError | None:
        if status == 200 and not _is_error(content):
            return None
        code, said = (content["code"], str(content.get("msg"))[:200]) if _is_error(content) else (None, "")
        message = f"HTTP {status}" if code is None else f"{code}: {said}"
        if status in (418, 429) or code in _NOT_TAKEN:
            return OrderNotTaken(message)
        if code is None or code in _IN_DOUBT or status >= 500:
            return OutcomeUnknown(message)
        return OrderRejected(message)

    def place(self, request: OrderRequest) -> PrivateRequest:
        fields: dict[str, str | bool] = {
            "symbol": request.instrument.symbol,
            "side": request.side.upper(),
            "type": TYPES[request.type],
            "quantity": plain(request.quantity),
            "newClientOrderId": request.client_order_id,
            "newOrderRespType": "RESULT",
        }
        if request.reduce_only:
            fields["reduceOnly"] = True
        if request.limit_price is not None:
            fields |= {"price": plain(request.limit_price), "timeInForce": request.time_in_force.upper()}
        if request.stop_price is not None:
            fields["stopPrice"] = plain(request.stop_price)
        return PrivateRequest("POST", ORDER_PATH, fields)

    def read_placed(self, request: OrderRequest, content: Any) -> OrderReport:
        return _report(content)

    def cancel(self, symbol: str, client_order_id: str) -> PrivateRequest:
        return PrivateRequest("DELETE", ORDER_PATH, {"symbol": symbol, "origClientOrderId": client_order_id})

    def open_orders(self, symbol: str) -> PrivateRequest:
        return PrivateRequest("GET", OPEN_PATH, {"symbol": symbol})

    def order(self, symbol: str, client_order_id: str) -> Sequence[PrivateRequest]:
        return [PrivateRequest("GET", ORDER_PATH, {"symbol": symbol, "origClientOrderId": client_order_id})]

    def is_absence(self, status: int, content: Any) -> bool:
        return _is_error(content) and content["code"] == NO_SUCH_ORDER

    def read_orders(self, content: Any) -> Sequence[OrderReport]:
        return [_report(each) for each in (content if isinstance(content, list) else [content])]

    def fills_since(self, symbol: str, since_ms: int) -> PrivateRequest:
        window = {"symbol": symbol, "startTime": str(since_ms), "limit": str(MOST_FILLS)}
        return PrivateRequest("GET", FILLS_PATH, window)

    def read_fills(self, request: PrivateRequest, content: Any) -> FillPage:
        fills = [_fill(each) for each in _listed(content)]
        if len(fills) < MOST_FILLS:
            return FillPage(fills)
        after = {"symbol": request.params["symbol"], "fromId": str(int(fills[-1].fill_id) + 1)}
        return FillPage(fills, PrivateRequest("GET", FILLS_PATH, {**after, "limit": str(MOST_FILLS)}))

    def position(self, symbol: str) -> PrivateRequest:
        return PrivateRequest("GET", POSITION_PATH, {"symbol": symbol})

    def read_position(self, symbol: str, content: Any) -> Position:
        held = [decimal_member(each, "positionAmt") for each in _listed(content) if each.get("symbol") == symbol]
        return Position(symbol=symbol, quantity=sum(held) if held else 0)

    def balances(self) -> PrivateRequest:
        return PrivateRequest("GET", BALANCE_PATH)

    def read_balances(self, content: Any) -> Sequence[Balance]:
        return [
            Balance(
                asset=member(each, "asset", kind=str),
                total=decimal_member(each, "balance"),
                available=decimal_member(each, "availableBalance"),
            )
            for each in _listed(content)
        ]

    def permissions(self) -> PrivateRequest:
        return PrivateRequest("GET", PERMISSIONS_PATH)

    def read_permissions(self, content: Any) -> KeyPermissions:
        return KeyPermissions(
            can_trade=flag(content, "enableFutures"), can_withdraw=flag(content, "enableWithdrawals")
        )


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _is_error(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("code"), int) and content["code"] < 0


def _listed(content: Any) -> list[dict[str, Any]]:
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise MalformedAnswer("the answer is no list of objects")
    return content


def _report(content: Any) -> OrderReport:
    return OrderReport(
        client_order_id=member(content, "clientOrderId", kind=str),
        venue_order_id=str(member(content, "orderId", kind=int)),
        symbol=member(content, "symbol", kind=str),
        side=side_of(content),
        state=state_of(content, "status", STATES),
        quantity=decimal_member(content, "origQty"),
        filled=decimal_member(content, "executedQty"),
    )


def _fill(content: Any) -> Fill:
    return Fill(
        fill_id=str(member(content, "id", kind=int)),
        venue_order_id=str(member(content, "orderId", kind=int)),
        client_order_id="",
        symbol=member(content, "symbol", kind=str),
        side=side_of(content),
        price=decimal_member(content, "price"),
        quantity=decimal_member(content, "qty"),
        fee=decimal_member(content, "commission"),
        fee_asset=member(content, "commissionAsset", kind=str),
        liquidity="maker" if flag(content, "maker") else "taker",
        at_ms=member(content, "time", kind=int),
    )
