"""Bybit's USDT-margined perpetuals: `/v5`, each request signed over its query or its body, with headers.

Placing is only acknowledged: what came of an order is asked for. One that is over is in the history, and may be
among the current ones for a while. Source: Bybit's documentation of v5 (2026-04).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from candleray.errors import CandlerayError, OrderNotTaken, OrderRejected, OutcomeUnknown
from candleray.exchanges.exchange import MalformedAnswer
from candleray.exchanges.json_answers import entries, flag, member
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
from candleray.execution.orders import OrderReport, OrderRequest, OrderState, OrderType, Side
from candleray.execution.signing import Credentials, bybit_text, signature

KEY, TIMESTAMP, WINDOW, SIGN = "x-bapi-api-key", "x-bapi-timestamp", "x-bapi-recv-window", "x-bapi-sign"
CREATE_PATH, CANCEL_PATH = "/v5/order/create", "/v5/order/cancel"
REALTIME_PATH, HISTORY_PATH, FILLS_PATH = "/v5/order/realtime", "/v5/order/history", "/v5/execution/list"
POSITION_PATH, BALANCE_PATH, PERMISSIONS_PATH = (
    "/v5/position/list",
    "/v5/account/wallet-balance",
    "/v5/user/query-api",
)
CATEGORY = "linear"
MOST_FILLS = 100
STATES: Mapping[str, OrderState] = {
    "New": OrderState.ACKNOWLEDGED,
    "Untriggered": OrderState.ACKNOWLEDGED,
    "Triggered": OrderState.ACKNOWLEDGED,
    "PartiallyFilled": OrderState.PARTIALLY_FILLED,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "PartiallyFilledCanceled": OrderState.CANCELLED,
    "Deactivated": OrderState.CANCELLED,
    "Rejected": OrderState.REJECTED,
}
DUPLICATE_ID, NO_SUCH_ORDER, BAD_SIGNATURE = 110072, 110001, 10004
_NOT_TAKEN = (10002, 10006, 10018, 10429, 429)
"""The clock is off; too many requests."""
_IN_DOUBT = (10000, 10016, 10019, DUPLICATE_ID, BAD_SIGNATURE)
"""Among them refusals of what it may have taken already, where something on the way sent it twice."""
_RISES, _FALLS = 1, 2


class BybitOrders:
    def sign(
        self, request: PrivateRequest, credentials: Credentials, timestamp_ms: int, window_ms: int
    ) -> SignedRequest:
        payload = json.dumps(request.params) if request.changes else urlencode(request.params)
        text = bybit_text(str(timestamp_ms), credentials.api_key, str(window_ms), payload)
        headers = {
            KEY: credentials.api_key,
            TIMESTAMP: str(timestamp_ms),
            WINDOW: str(window_ms),
            SIGN: signature(credentials.secret, text),
            "content-type": "application/json",
        }
        query, body = ("", payload) if request.changes else (payload, "")
        return SignedRequest(request.method, request.path, query, body, headers)

    def failure(self, status: int, content: Any) -> CandlerayError | None:
        code = content.get("retCode") if isinstance(content, dict) else None
        if status == 200 and code == 0:
            return None
        message = f"HTTP {status}" if code is None else f"retCode {code}: {str(content.get('retMsg'))[:200]}"
        if status in (403, 429) or code in _NOT_TAKEN:
            return OrderNotTaken(message)
        if code is None or code in _IN_DOUBT or status >= 500:
            return OutcomeUnknown(message)
        return OrderRejected(message)

    def place(self, request: OrderRequest) -> PrivateRequest:
        fields: dict[str, Any] = {
            **_of(request.instrument.symbol),
            "side": request.side.capitalize(),
            "orderType": "Limit" if request.type is OrderType.LIMIT else "Market",
            "qty": plain(request.quantity),
            "orderLinkId": request.client_order_id,
            "reduceOnly": request.reduce_only,
        }
        if request.limit_price is not None:
            fields |= {"price": plain(request.limit_price), "timeInForce": request.time_in_force.upper()}
        if request.stop_price is not None:
            direction = _RISES if request.side is Side.BUY else _FALLS
            fields |= {"triggerPrice": plain(request.stop_price), "triggerDirection": direction}
        return PrivateRequest("POST", CREATE_PATH, fields)

    def read_placed(self, request: OrderRequest, content: Any) -> OrderReport:
        if member(content, "result", "orderLinkId", kind=str) != request.client_order_id:
            raise MalformedAnswer("another order was acknowledged")
        return OrderReport(
            client_order_id=request.client_order_id,
            venue_order_id=member(content, "result", "orderId", kind=str),
            symbol=request.instrument.symbol,
            side=request.side,
            state=OrderState.ACKNOWLEDGED,
            quantity=request.quantity,
            filled=Decimal(0),
        )

    def cancel(self, symbol: str, client_order_id: str) -> PrivateRequest:
        return PrivateRequest("POST", CANCEL_PATH, {**_of(symbol), "orderLinkId": client_order_id})

    def open_orders(self, symbol: str) -> PrivateRequest:
        return PrivateRequest("GET", REALTIME_PATH, {**_of(symbol), "openOnly": "0"})

    def order(self, symbol: str, client_order_id: str) -> Sequence[PrivateRequest]:
        named = {**_of(symbol), "orderLinkId": client_order_id}
        return [PrivateRequest("GET", REALTIME_PATH, named), PrivateRequest("GET", HISTORY_PATH, named)]

    def is_absence(self, status: int, content: Any) -> bool:
        return isinstance(content, dict) and content.get("retCode") == NO_SUCH_ORDER

    def read_orders(self, content: Any) -> Sequence[OrderReport]:
        return [_report(each) for each in entries(content, "result", "list")]

    def fills_since(self, symbol: str, since_ms: int) -> PrivateRequest:
        window = {**_of(symbol), "startTime": str(since_ms), "limit": str(MOST_FILLS)}
        return PrivateRequest("GET", FILLS_PATH, window)

    def read_fills(self, request: PrivateRequest, content: Any) -> FillPage:
        """The newest come first; the pages behind them are older."""
        fills = [_fill(each) for each in entries(content, "result", "list")]
        cursor = member(content, "result", "nextPageCursor", kind=str)
        if not cursor or not fills:
            return FillPage(fills)
        return FillPage(fills, PrivateRequest("GET", FILLS_PATH, {**request.params, "cursor": cursor}))

    def position(self, symbol: str) -> PrivateRequest:
        return PrivateRequest("GET", POSITION_PATH, _of(symbol))

    def read_position(self, symbol: str, content: Any) -> Position:
        held = Decimal(0)
        for each in entries(content, "result", "list"):
            if each.get("symbol") == symbol:
                held += decimal_member(each, "size") * (-1 if each.get("side") == "Sell" else 1)
        return Position(symbol=symbol, quantity=held)

    def balances(self) -> PrivateRequest:
        return PrivateRequest("GET", BALANCE_PATH, {"accountType": "UNIFIED"})

    def read_balances(self, content: Any) -> Sequence[Balance]:
        return [
            Balance(
                asset=member(coin, "coin", kind=str),
                total=(total := decimal_member(coin, "walletBalance")),
                available=total - decimal_member(coin, "locked"),
            )
            for account in entries(content, "result", "list")
            for coin in entries(account, "coin")
        ]

    def permissions(self) -> PrivateRequest:
        return PrivateRequest("GET", PERMISSIONS_PATH)

    def read_permissions(self, content: Any) -> KeyPermissions:
        granted = member(content, "result", "permissions", kind=dict)
        can_order = "Order" in (granted.get("ContractTrade") or ())
        return KeyPermissions(
            can_trade=can_order and member(content, "result", "readOnly", kind=int) == 0,
            can_withdraw="withdraw" in json.dumps(granted).lower(),
        )


def _of(symbol: str) -> dict[str, str]:
    return {"category": CATEGORY, "symbol": symbol}


def _report(content: Any) -> OrderReport:
    return OrderReport(
        client_order_id=member(content, "orderLinkId", kind=str),
        venue_order_id=member(content, "orderId", kind=str),
        symbol=member(content, "symbol", kind=str),
        side=side_of(content),
        state=state_of(content, "orderStatus", STATES),
        quantity=decimal_member(content, "qty"),
        filled=decimal_member(content, "cumExecQty"),
    )


def _fill(content: Any) -> Fill:
    return Fill(
        fill_id=member(content, "execId", kind=str),
        venue_order_id=member(content, "orderId", kind=str),
        client_order_id=member(content, "orderLinkId", kind=str),
        symbol=member(content, "symbol", kind=str),
        side=side_of(content),
        price=decimal_member(content, "execPrice"),
        quantity=decimal_member(content, "execQty"),
        fee=decimal_member(content, "execFee"),
        fee_asset=member(content, "feeCurrency", kind=str),
        liquidity="maker" if flag(content, "isMaker") else "taker",
        at_ms=int(decimal_member(content, "execTime")),
    )
