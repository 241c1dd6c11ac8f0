"""Bybit's own side of the orders of its perpetuals: `/v5`, signed headers, its codes.

A signature that was taken once is refused, which the venue itself does not promise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from candleray.exchanges.bybit import EXCHANGE
from candleray.execution.dialects.bybit import (
    BALANCE_PATH,
    CANCEL_PATH,
    CATEGORY,
    CREATE_PATH,
    FILLS_PATH,
    HISTORY_PATH,
    KEY,
    MOST_FILLS,
    PERMISSIONS_PATH,
    POSITION_PATH,
    REALTIME_PATH,
    SIGN,
    TIMESTAMP,
    WINDOW,
)
from candleray.execution.dialects.dialect import plain
from candleray.execution.signing import bybit_text, is_signature
from candleray.markets import find_market
from candleray.simulator.accounts.accounts import Account, Floor, PrivateQuestion, words
from candleray.simulator.accounts.order_book import OrderBook, OrderRefused, Reason, VenueFill, VenueOrder
from candleray.simulator.json_replies import json_reply
from candleray.simulator.venues import Reply

_CHANGES = (CREATE_PATH, CANCEL_PATH)
_PATHS = (*_CHANGES, REALTIME_PATH, HISTORY_PATH, FILLS_PATH, POSITION_PATH, BALANCE_PATH, PERMISSIONS_PATH)
_AHEAD_MS, _MOST_WINDOW_MS = 1_000, 60_000
_REFUSALS: Mapping[Reason, tuple[int, str]] = {
    "tick": (10001, "params error: price invalid"),
    "step": (10001, "params error: Qty invalid"),
    "notional": (110094, "Order notional value below the lower limit"),
    "margin": (110007, "ab not enough for new order"),
    "reduce_only": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "duplicate": (110072, "OrderLinkedID is duplicate"),
    "no_such_order": (110001, "order not exists or too late to cancel"),
    "symbol": (10001, "params error: symbol invalid"),
}


class BybitDesk:
    market = find_market(f"{EXCHANGE.name}-futures")
    forgets_ids = False

    def is_for(self, path: str) -> bool:
        return path in _PATHS

    def api_key(self, question: PrivateQuestion) -> str:
        return question.headers.get(KEY, "")

    def refuse_key(self, now_ms: int) -> Reply:
        return _message(10003, "API key is invalid.", now_ms)

    def answer(self, account: Account, question: PrivateQuestion, floor: Floor) -> Reply:
        refusal = _refuse_signature(account, question)
        if refusal:
            return refusal
        if (question.method == "POST") != (question.path in _CHANGES):
            return Reply(404, b"404 page not found", {"content-type": "text/plain"})
        if question.path in _CHANGES and not account.key.can_trade:
            return _message(10005, "Permission denied, please check your API key permissions.", question.now_ms)
        try:
            return _message(0, "OK", question.now_ms, _result(account, question, _fields(question), floor))
        except OrderRefused as refused:
            return _message(*_REFUSALS[refused.reason], question.now_ms)
        except (KeyError, InvalidOperation, ValueError):
            return _message(10001, "params error", question.now_ms)


def _message(code: int, text: str, now_ms: int, result: Mapping[str, Any] | None = None) -> Reply:
    return json_reply({"retCode": code, "retMsg": text, "result": result or {}, "retExtInfo": {}, "time": now_ms})


def _fields(question: PrivateQuestion) -> dict[str, str]:
    if question.method == "POST":
        return words(json.loads(question.body))
    return dict(parse_qsl(question.query))


def _refuse_signature(account: Account, question: PrivateQuestion) -> Reply | None:
    headers, now_ms = question.headers, question.now_ms
    timestamp, window = headers.get(TIMESTAMP, ""), headers.get(WINDOW, "5000")
    payload = question.body if question.method == "POST" else question.query
    if not is_signature(
        account.key.secret, bybit_text(timestamp, account.key.api_key, window, payload), headers.get(SIGN, "")
    ):
        return _message(10004, "error sign! please check your signature generation algorithm.", now_ms)
    is_number = timestamp.isdecimal() and window.isdecimal() and int(window) <= _MOST_WINDOW_MS
    if not is_number or not now_ms - int(window) <= int(timestamp) < now_ms + _AHEAD_MS:
        text = "invalid request, please check your server timestamp or recv_window param"
        return _message(10002, text, now_ms)
    if question.method == "POST" and not account.spend(headers[SIGN], int(timestamp) + int(window), now_ms):
        return _message(10004, "error sign! please check your signature generation algorithm.", now_ms)
    return None


def _result(
    account: Account, question: PrivateQuestion, fields: Mapping[str, str], floor: Floor
) -> dict[str, Any]:
    book = account.book
    if question.path == PERMISSIONS_PATH:
        wallet = ["AccountTransfer", "Withdraw"] if account.key.can_withdraw else []
        granted = {"ContractTrade": ["Order", "Position"] if account.key.can_trade else [], "Wallet": wallet}
        return {"readOnly": int(not account.key.can_trade), "permissions": granted}
    if question.path == BALANCE_PATH:
        coin = {"coin": "USDT", "walletBalance": plain(book.balance), "locked": "0"}
        return {"list": [{"accountType": "UNIFIED", "coin": [coin]}]}
    instrument = floor.find(fields["symbol"])
    if instrument is None or fields.get("category") != CATEGORY:
        raise OrderRefused("symbol")
    book.advance(floor.candles, question.now_ms)
    if question.path == CREATE_PATH:
        placed = book.place(_asked(fields), instrument, floor.candles, question.now_ms)
        return {"orderId": str(placed.order_id), "orderLinkId": placed.client_order_id}
    if question.path == CANCEL_PATH:
        ended = book.cancel(fields["symbol"], fields["orderLinkId"], floor.candles, question.now_ms)
        return {"orderId": str(ended.order_id), "orderLinkId": ended.client_order_id}
    return _list(book, question.path, fields)


def _list(book: OrderBook, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
    if path == POSITION_PATH:
        held = book.positions[fields["symbol"]]
        side = "Buy" if held > 0 else "Sell" if held < 0 else ""
        return {"list": [{"symbol": fields["symbol"], "side": side, "size": plain(abs(held))}]}
    if path == FILLS_PATH:
        return _fills(book.fills, fields)
    orders = [one for one in book.orders if one.symbol == fields["symbol"]]
    if "orderLinkId" in fields:
        orders = [one for one in orders if one.client_order_id == fields["orderLinkId"]]
    if path == REALTIME_PATH:
        orders = [one for one in orders if one.is_open]
    return {"list": [_order(one) for one in orders], "nextPageCursor": ""}


def _asked(fields: Mapping[str, str]) -> VenueOrder:
    return VenueOrder(
        client_order_id=fields["orderLinkId"],
        symbol=fields["symbol"],
        is_buy={"Buy": True, "Sell": False}[fields["side"]],
        quantity=Decimal(fields["qty"]),
        limit=Decimal(fields["price"]) if fields["orderType"] == "Limit" else None,
        stop=Decimal(fields["triggerPrice"]) if "triggerPrice" in fields else None,
        reduce_only=fields.get("reduceOnly") == "true",
        is_ioc=fields.get("timeInForce") == "IOC",
    )


def _order(order: VenueOrder) -> dict[str, Any]:
    return {
        "orderId": str(order.order_id),
        "orderLinkId": order.client_order_id,
        "symbol": order.symbol,
        "side": "Buy" if order.is_buy else "Sell",
        "orderStatus": _status(order),
        "qty": plain(order.quantity),
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(order.quote),
        "reduceOnly": order.reduce_only,
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def _status(order: VenueOrder) -> str:
    match order.status:
        case "new":
            return "Untriggered" if order.stop else "New"
        case "partially_filled":
            return "PartiallyFilled"
        case "filled":
            return "Filled"
        case "cancelled" | "expired":
            return "PartiallyFilledCanceled" if order.filled else "Cancelled"


def _fills(fills: list[VenueFill], fields: Mapping[str, str]) -> dict[str, Any]:
    """One page, the newest first; the cursor is how many came before."""
    since_ms, first = int(fields.get("startTime", 0)), int(fields.get("cursor", 0))
    size = min(int(fields.get("limit", 50)), MOST_FILLS)
    wanted = [one for one in reversed(fills) if one.order.symbol == fields["symbol"] and one.at_ms >= since_ms]
    return {
        "list": [_fill(one) for one in wanted[first : first + size]],
        "nextPageCursor": str(first + size) if len(wanted) > first + size else "",
    }


def _fill(fill: VenueFill) -> dict[str, Any]:
    return {
        "execId": f"e-{fill.fill_id}",
        "orderId": str(fill.order.order_id),
        "orderLinkId": fill.order.client_order_id,
        "symbol": fill.order.symbol,
        "side": "Buy" if fill.order.is_buy else "Sell",
        "execPrice": plain(fill.price),
        "execQty": plain(fill.quantity),
        "execFee": plain(fill.fee),
        "feeCurrency": "USDT",
        "isMaker": fill.is_maker,
        "execTime": str(fill.at_ms),
    }
