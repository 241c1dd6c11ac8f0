"""Keys of the simulated venues, and the account behind each; a request that changes something is taken once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from candleray.markets import InstrumentReference, Market
from candleray.simulator.accounts.order_book import Candles, OrderBook
from candleray.simulator.venues import Reply


@dataclass(frozen=True)
class ApiKey:
    """A key of an account; it may trade, and perhaps withdraw."""

    api_key: str
    secret: str = field(repr=False)
    can_trade: bool = True
    can_withdraw: bool = False


@dataclass(frozen=True)
class PrivateQuestion:
    """A signed request as the venue receives it; `headers` in lower case."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    now_ms: int


@dataclass
class Account:
    key: ApiKey
    book: OrderBook
    _spent: dict[str, int] = field(default_factory=dict)

    def spend(self, signature: str, until_ms: int, now_ms: int) -> bool:
        """Tell whether a signature is new; it is remembered for as long as its request is valid."""
        self._spent = {known: ms for known, ms in self._spent.items() if ms >= now_ms}
        is_new = signature not in self._spent
        self._spent[signature] = until_ms
        return is_new


@dataclass(frozen=True)
class Floor:
    """The market that orders are matched against: its instruments and candles, as they are shown at this time."""

    instruments: Sequence[InstrumentReference]
    candles: Candles

    def find(self, symbol: str) -> InstrumentReference | None:
        """An instrument that trades; recorded candles come without the ticks and steps that orders need."""
        found = next((one for one in self.instruments if one.symbol == symbol and one.is_tradable), None)
        return found if found and found.price_tick and found.quantity_step else None


class OrderDesk(Protocol):
    """The venue's side of the order endpoints of one market."""

    market: Market
    forgets_ids: bool

    def is_for(self, path: str) -> bool: ...

    def api_key(self, question: PrivateQuestion) -> str: ...

    def refuse_key(self, now_ms: int) -> Reply:
        """Refuse a request whose key nobody has."""

    def answer(self, account: Account, question: PrivateQuestion, floor: Floor) -> Reply: ...


class Accounts:
    """The accounts of all venues by their keys."""

    def __init__(self, desks: Sequence[OrderDesk]) -> None:
        self._desks = desks
        self._accounts: dict[tuple[str, str], Account] = {}

    def register(self, exchange: str, key: ApiKey) -> None:
        """Open an account, or change what its key may."""
        desk = next(desk for desk in self._desks if desk.market.exchange == exchange)
        known = self._accounts.get((exchange, key.api_key))
        book = known.book if known else OrderBook(desk.market, desk.forgets_ids)
        self._accounts[exchange, key.api_key] = Account(key, book)

    def book(self, exchange: str, api_key: str) -> OrderBook:
        return self._accounts[exchange, api_key].book

    def desk_for(self, path: str) -> OrderDesk | None:
        return next((desk for desk in self._desks if desk.is_for(path)), None)

    def answer(self, desk: OrderDesk, question: PrivateQuestion, floor: Callable[[Market], Floor]) -> Reply:
        account = self._accounts.get((desk.market.exchange, desk.api_key(question)))
        if account is None:
            return desk.refuse_key(question.now_ms)
        return desk.answer(account, question, floor(desk.market))


def words(content: Any) -> dict[str, str]:
    """The fields of a request as text, whether they came in a query or as JSON."""
    fields = content if isinstance(content, dict) else {}
    return {
        str(name): str(value).lower() if isinstance(value, bool) else str(value) for name, value in fields.items()
    }
