"""The clock of requests: that of the exchange, which a simulator may let run fast."""

from __future__ import annotations

import time

import httpx
import pytest

from candleray.errors import RateLimited
from candleray.exchanges.discovery import exchange_of
from candleray.exchanges.rest import RestClient
from candleray.markets import find_market
from candleray.settings import HistorySettings

BYBIT = find_market("bybit-spot")


async def test_a_ban_of_ten_minutes_is_over_after_half_a_second_at_1200_times_the_speed() -> None:
    exchange = exchange_of(BYBIT)
    answers = [
        httpx.Response(403, json={"retCode": 10009, "retMsg": "403, access too frequent"}),
        httpx.Response(200, json={"retCode": 0, "result": {}, "time": 1}),
    ]
    config = HistorySettings(max_attempts=1, clock_speed=1200.0)
    async with RestClient(config, transport=httpx.MockTransport(lambda _: answers.pop(0))) as rest:
        began_s = time.monotonic()

        async def ask() -> int:
            return await rest.get(
                exchange, BYBIT, exchange.server_time_request(BYBIT), exchange.read_server_time_ms
            )

        with pytest.raises(RateLimited, match="600"):
            await ask()
        assert 0 < rest.paused_s(exchange, BYBIT) <= 600
        await rest._sleep(rest.paused_s(exchange, BYBIT))
        assert await ask() == 1
        assert time.monotonic() - began_s >= 0.5
