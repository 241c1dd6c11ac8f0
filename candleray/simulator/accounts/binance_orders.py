"""Binance's own side of the orders of its perpetuals: `/fapi`, signed queries, its codes.

A signature that was taken once is refused, which the venue itself does not promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from candleray.exchanges.binance import EXCHANGE, UNKNOWN_SYMBOL
from candleray.execution.dialects.binance import (
    API_KEY,
    BALANCE_PATH,
    FILLS_PATH,
    MOST_FILLS,
    OPEN_PATH,
    ORDER_PATH,
    PERMISSIONS_PATH,
    POSITION_PATH,
)
from candleray.execution.dialects.dialect import plain
from candleray.execution.signing import is_signature
from candleray.markets import find_market
from candleray.simulator.accounts.accounts import Account, Floor, PrivateQuestion
from candleray.simulator.accounts.order_book import OrderRefused, Reason, VenueFill, VenueOrder
from candleray.simulator.json_replies import json_reply
from candleray.simulator.venues import Reply

_PATHS = (ORDER_PATH, OPEN_PATH, FILLS_PATH, POSITION_PATH, BALANCE_PATH, PERMISSIONS_PATH)
_DEFAULT_WINDOW_MS, _MOST_WINDOW_MS, _AHEAD_MS = 5_000, 60_000, 1_000
_REFUSALS: Mapping[Reason, tuple[int, str]] = {
    "tick": (-4014, "Price not increased by tick size."),
    "step": (-1111, "Precision is over the maximum defined for this asset."),
    "notional": (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
    "margin": (-2019, "Margin is insufficient."),
    "reduce_only": (-2022, "ReduceOnly Order is rejected."),
    "duplicate": (-4116, "ClientOrderId is duplicated."),
    "no_such_order": (-2011, "Unknown order sent."),
    "symbol": (UNKNOWN_SYMBOL, "Invalid symbol."),
}
_STATUSES = {
    "new": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "cancelled": "CANCELED",
    "expired": "EXPIRED",
}


class BinanceDesk:
    market = find_market(f"{EXCHANGE.name}-futures")
    forgets_ids = True

    def is_for(self, path: str) -> bool:
        return path in _PATHS

    def api_key(self, question: PrivateQuestion) -> str:
        return question.headers.get(API_KEY, "")

    def refuse_key(self, now_ms: int) -> Reply:
        return _error(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    def answer(self, account: Account, question: PrivateQuestion, floor: Floor) -> Reply:
        fields = dict(parse_qsl(question.query + ("&" if question.body else "") + question.body))
        refusal = _refuse_signature(account, question, fields)
        if refusal:
            return refusal
        if question.method != "GET" and not account.key.can_trade:
            return self.refuse_key(question.now_ms)
        try:
            return _answer(account, question, fields, floor)
        except OrderRefused as refused:
            return _error(*_REFUSALS[refused.reason])
        except (KeyError, InvalidOperation, ValueError):
            return _error(-1102, "Mandatory parameter was not sent, was empty/null, or malformed.")


def _error(code: int, text: str, status: int = 400) -> Reply:
    return json_reply({"code": code, "msg": text}, status=status)


def _refuse_signature(account: Account, question: PrivateQuestion, fields: Mapping[str, str]) -> Reply | None:
    claimed = fields.get("signature", "")
    # Query and body are signed as they follow each other; the signature is the last field of either.
    signed = (question.query + question.body).removesuffix(f"&signature={claimed}")
    if not is_signature(account.key.secret, signed, claimed):
        return _error(-1022, "Signature for this request is not valid.")
    timestamp, window = fields.get("timestamp", ""), fields.get("recvWindow", str(_DEFAULT_WINDOW_MS))
    if not timestamp.isdecimal() or not window.isdecimal() or int(window) > _MOST_WINDOW_MS:
        return _error(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
    if int(timestamp) >= question.now_ms + _AHEAD_MS:
        return _error(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    until_ms = int(timestamp) + int(window)
    if question.now_ms > until_ms:
        return _error(-1021, "Timestamp for this request is outside of the recvWindow.")
    if question.method != "GET" and not account.spend(claimed, until_ms, question.now_ms):
        return _error(-1022, "Signature for this request is not valid.")
    return None


def _answer(account: Account, question: PrivateQuestion, fields: Mapping[str, str], floor: Floor) -> Reply:
    book, symbol = account.book, fields.get("symbol", "")
    if question.path == PERMISSIONS_PATH:
        key = account.key
        return json_reply(
            {"enableReading": True, "enableFutures": key.can_trade, "enableWithdrawals": key.can_withdraw}
        )
    if question.path == BALANCE_PATH:
        total = plain(book.balance)
        return json_reply([{"asset": "USDT", "balance": total, "availableBalance": total}])
    instrument = floor.find(symbol)
    if instrument is None:
        return _error(*_REFUSALS["symbol"])
    book.advance(floor.candles, question.now_ms)
    match question.method, question.path:
        case "POST", "/fapi/v1/order":
            order = book.place(_asked(fields), instrument, floor.candles, question.now_ms)
            return json_reply(_order(order))
        case "DELETE", "/fapi/v1/order":
            return json_reply(
                _order(book.cancel(symbol, fields["origClientOrderId"], floor.candles, question.now_ms))
            )
        case "GET", "/fapi/v1/order":
            found = book.find(symbol, fields["origClientOrderId"])
            return json_reply(_order(found)) if found else _error(-2013, "Order does not exist.")
        case "GET", "/fapi/v1/openOrders":
            return json_reply([_order(one) for one in book.orders if one.is_open and one.symbol == symbol])
        case "GET", "/fapi/v1/userTrades":
            return json_reply(_fills(book.fills, fields))
        case "GET", "/fapi/v3/positionRisk":
            return json_reply(
                [{"symbol": symbol, "positionAmt": plain(book.positions[symbol]), "positionSide": "BOTH"}]
            )
        case _:
            return _error(-1100, "Illegal method.", 405)


def _asked(fields: Mapping[str, str]) -> VenueOrder:
    kind = fields["type"]
    return VenueOrder(
        client_order_id=fields["newClientOrderId"],
        symbol=fields["symbol"],
        is_buy={"BUY": True, "SELL": False}[fields["side"]],
        quantity=Decimal(fields["quantity"]),
        limit=Decimal(fields["price"]) if kind == "LIMIT" else None,
        stop=Decimal(fields["stopPrice"]) if kind == "STOP_MARKET" else None,
        reduce_only=fields.get("reduceOnly") == "true",
        is_ioc=fields.get("timeInForce") == "IOC",
    )


def _order(order: VenueOrder) -> dict[str, Any]:
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": _STATUSES[order.status],
        "clientOrderId": order.client_order_id,
        "price": plain(order.limit or Decimal(0)),
        "avgPrice": plain(order.quote / order.filled) if order.filled else "0",
        "origQty": plain(order.quantity),
        "executedQty": plain(order.filled),
        "cumQuote": plain(order.quote),
        "timeInForce": "IOC" if order.is_ioc else "GTC",
        "type": "LIMIT" if order.limit else "STOP_MARKET" if order.stop else "MARKET",
        "reduceOnly": order.reduce_only,
        "side": "BUY" if order.is_buy else "SELL",
        "positionSide": "BOTH",
        "stopPrice": plain(order.stop or Decimal(0)),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def _fills(fills: list[VenueFill], fields: Mapping[str, str]) -> list[dict[str, Any]]:
    first_id, since_ms = int(fields.get("fromId", 0)), int(fields.get("startTime", 0))
    limit = min(int(fields.get("limit", 500)), MOST_FILLS)
    wanted = [
        one
        for one in fills
        if one.order.symbol == fields["symbol"] and one.fill_id >= first_id and one.at_ms >= since_ms
    ]
    return [
        {
            "id": one.fill_id,
            "orderId": one.order.order_id,
            "symbol": one.order.symbol,
            "side": "BUY" if one.order.is_buy else "SELL",
            "price": plain(one.price),
            "qty": plain(one.quantity),
            "commission": plain(one.fee),
            "commissionAsset": "USDT",
            "maker": one.is_maker,
            "time": one.at_ms,
        }
        for one in wanted[:limit]
    ]
