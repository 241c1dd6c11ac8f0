"""A dialect of orders: how a venue wants to be asked, and what its answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Protocol

from candleray.errors import CandlerayError
from candleray.exchanges.exchange import MalformedAnswer
from candleray.exchanges.json_answers import member
from candleray.execution.fills import Balance, Fill, Position
from candleray.execution.gateway import KeyPermissions
from candleray.execution.orders import OrderReport, OrderRequest, OrderState, Side
from candleray.execution.signing import Credentials

Method = Literal["GET", "POST", "DELETE"]


@dataclass(frozen=True)
class PrivateRequest:
    """A request that is to be signed."""

    method: Method
    path: str
    params: Mapping[str, str | bool] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True)
class SignedRequest:
    """A request as it goes out: the bytes that were signed are those that are sent."""

    method: Method
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class FillPage:
    """Fills, and the request for those behind them."""

    fills: Sequence[Fill]
    after: PrivateRequest | None = None


class OrderDialect(Protocol):
    """One venue's perpetuals. Readers raise `MalformedAnswer`."""

    def sign(
        self, request: PrivateRequest, credentials: Credentials, timestamp_ms: int, window_ms: int
    ) -> SignedRequest: ...

    def failure(self, status: int, content: Any) -> CandlerayError | None:
        """The error that an answer is; of a change, one that is in doubt is `OutcomeUnknown`."""

    def place(self, request: OrderRequest) -> PrivateRequest: ...
    def read_placed(self, request: OrderRequest, content: Any) -> OrderReport: ...
    def cancel(self, symbol: str, client_order_id: str) -> PrivateRequest: ...
    def open_orders(self, symbol: str) -> PrivateRequest: ...
    def order(self, symbol: str, client_order_id: str) -> Sequence[PrivateRequest]:
        """Requests that find an order together; the first that does counts."""

    def is_absence(self, status: int, content: Any) -> bool:
        """Tell whether an answer says that there is no such order."""

    def read_orders(self, content: Any) -> Sequence[OrderReport]: ...
    def fills_since(self, symbol: str, since_ms: int) -> PrivateRequest: ...
    def read_fills(self, request: PrivateRequest, content: Any) -> FillPage: ...
    def position(self, symbol: str) -> PrivateRequest: ...
    def read_position(self, symbol: str, content: Any) -> Position: ...
    def balances(self) -> PrivateRequest: ...
    def read_balances(self, content: Any) -> Sequence[Balance]: ...
    def permissions(self) -> PrivateRequest: ...
    def read_permissions(self, content: Any) -> KeyPermissions: ...


def decimal_member(content: Any, name: str) -> Decimal:
    text = member(content, name, kind=str)
    try:
        value = Decimal(text or "0")
    except InvalidOperation:
        raise MalformedAnswer(f"{name} is not decimal text: {text[:40]!r}") from None
    if not value.is_finite():
        raise MalformedAnswer(f"{name} is {text[:40]}")
    return value


def side_of(content: Any) -> Side:
    side = member(content, "side", kind=str).lower()
    if side not in ("buy", "sell"):
        raise MalformedAnswer(f"an order's side is {side[:40]!r}")
    return Side(side)


def state_of(content: Any, name: str, states: Mapping[str, OrderState]) -> OrderState:
    """Return the state that a venue's word stands for."""
    word = member(content, name, kind=str)
    if word not in states:
        raise MalformedAnswer(f"an order is {word[:40]!r}, which is no state that we know")
    return states[word]


def plain(number: Decimal) -> str:
    """The number as venues read it: without an exponent, and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
