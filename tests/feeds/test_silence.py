"""Reasons that no minutes come: those of an instrument itself, and those of its feed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from candleray.feeds.feed_state import FeedState
from candleray.feeds.silence import Silence, why_silent
from candleray.feeds.subscriptions import Subscription
from candleray.markets import Instrument

BTC = Instrument(market_id=1, symbol="BTCUSDT")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def why(notice: str | None = None, subscribed: bool = True, **state: Any) -> Silence | None:
    there = Subscription(market_id=1, symbol="BTCUSDT", source="operator", notice=notice)
    told = FeedState(market="binance-spot", mode="sockets", **{"told_ago_s": 1.0, **state})
    return why_silent([BTC], [there] if subscribed else [], [told]).get(BTC)


OWN = {
    "nobody ingests it: an operator may, `candleray subscriptions add BTCUSDT --market binance-spot`": {
        "subscribed": False
    },
    "delisted: binance has listed it no more since then": {
        "notice": "delisted: binance has listed it no more since then",
        "told_ago_s": 90.0,
    },
    "binance does not stream it: Invalid symbol": {"refused_symbols": {"BTCUSDT": "Invalid symbol"}},
}
FEED = {
    "the feed of binance-spot has never told anything: `candleray feeds`": {"told_ago_s": None},
    "the feed of binance-spot has told nothing for 90 s: `candleray feeds`": {"told_ago_s": 90.0},
    "binance has told no minute of it since 2026-01-05T12:00:00Z, neither by socket nor by REST": {
        "silent": {"BTCUSDT": NOON}
    },
    "its feed waits, store: it does not answer": {"waits": {"store": "it does not answer"}},
}


@pytest.mark.parametrize(("words", "state"), OWN.items())
def test_what_is_wrong_with_an_instrument_itself_is_its_own(words: str, state: dict[str, Any]) -> None:
    assert why(**state) == (words, True)


@pytest.mark.parametrize(("words", "state"), FEED.items())
def test_what_is_wrong_with_its_feed_passes(words: str, state: dict[str, Any]) -> None:
    assert why(**state) == (words, False)


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert why(silent={"ETHUSDT": NOON}) is None
