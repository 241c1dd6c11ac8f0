"""Sockets of a market: symbols are packed into as many as the venue and the settings allow."""

from __future__ import annotations

from typing import Any, cast

import pytest

from candleray.exchanges.discovery import exchange_of
from candleray.feeds.websockets.sockets import MarketSockets
from candleray.markets import find_market

SYMBOLS = [f"SYMBOL{number:04}USDT" for number in range(5000)]


class Slot:
    def __init__(self) -> None:
        self.symbols: set[str] = set()


@pytest.mark.parametrize(
    ("market", "carried", "bound"),
    [("binance-futures", 800, "at most 200 a"), ("bybit-spot", 3228, "at most 900 or 21,000 characters a")],
)
def test_of_five_thousand_symbols_as_many_as_fit_are_carried_and_room_that_is_left_is_taken(
    market: str, carried: int, bound: str
) -> None:
    api = exchange_of(find_market(market)).stream(find_market(market))
    sockets = MarketSockets(cast(Any, Slot), api, most_slots=4)
    sockets.want(SYMBOLS)
    assert sum(len(slot.symbols) for slot in sockets.slots) == carried
    for slot in sockets.slots:
        topics = [api.topic(symbol) for symbol in slot.symbols]
        assert len(topics) <= api.max_topics
        assert api.max_topics_chars is None or sum(map(len, topics)) <= api.max_topics_chars
    assert sockets.left_out.startswith(
        f"5,000 symbols are followed and websockets carry {carried:,} of them ({bound}"
    )
    gone = sorted(sockets.slots[0].symbols)[0]
    sockets.want([symbol for symbol in SYMBOLS if symbol != gone])
    assert sum(len(slot.symbols) for slot in sockets.slots) == carried
    assert sockets.slot_of(gone) is None
    sockets.want(SYMBOLS[:50])
    assert (sum(len(slot.symbols) for slot in sockets.slots), sockets.left_out) == (50, "")
