"""The exchange simulator on a real port, with its websockets, and a client of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from serve_apps.simulator import build_simulator
from serve_apps.simulator.sockets import VenueSocket
from tests.support.api.served import served
from tests.support.waiting import wait_until


class Venue:
    """A simulator whose clock stands, and its client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url)
        self._open = ExitStack()

    def connect(self, path: str) -> ClientConnection:
        return self._open.enter_context(
            connect(self.url.replace("http", "ws", 1) + path, compression=None, max_queue=None)
        )

    def close(self) -> None:
        self._open.close()
        self.http.close()

    def step(self, seconds: float) -> None:
        self.http.put("/simulator/clock", json={"step_s": seconds}).raise_for_status()

    def begin(self, kind: str, market: str, **place: Any) -> dict[str, Any]:
        """Have a fault begin now."""
        answer = self.http.post(f"/simulator/faults/{kind}", json={"market": market, **place})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def subscribe(self, market: str, *symbols: str) -> ClientConnection:
        """A new connection that hears the candles of these symbols."""
        exchange, _, kind = market.partition("-")
        if exchange == "binance":
            streams = "/".join(f"{symbol.lower()}@kline_1m" for symbol in symbols)
            client = self.connect(f"{'' if kind == 'spot' else '/market'}/stream?streams={streams}")
            wait_until(lambda: self.connections(market) > 0, what="the connection is open")
        else:
            client = self.connect(f"/v5/public/{'spot' if kind == 'spot' else 'linear'}")
            client.send(json.dumps({"op": "subscribe", "args": [f"kline.1.{symbol}" for symbol in symbols]}))
            assert json.loads(client.recv(timeout=20))["success"]
        return client

    def connections(self, market: str) -> int:
        return int(self.state()["streams"][market]["connections"])

    def counts(self, kind: str) -> tuple[int, int]:
        """Return how often a fault began, and how often it was met."""
        count = self.state()["fault_counts"].get(kind, {"begun": 0, "met": 0})
        return count["begun"], count["met"]

    def sent(self, **wanted: Any) -> list[dict[str, Any]]:
        entries = self.http.get("/simulator/sent").raise_for_status().json()["entries"]
        return [each for each in entries if wanted.items() <= each.items()]

    def state(self) -> Any:
        return self.http.get("/simulator").json()


def closed_candle(client: ClientConnection) -> dict[str, Any]:
    """Return the cells of the next closed candle, of whichever venue."""
    while True:
        message = json.loads(client.recv(timeout=20))
        message = message.get("data", message)
        cells = message[0] if isinstance(message, list) else message.get("k", {})
        if cells.get("x") or cells.get("confirm"):
            return cells


@contextmanager
def simulated_venue(*args: Any, **parts: Any) -> Iterator[Venue]:
    """A simulator that listens until the block ends; see `build_simulator`."""
    with served(build_simulator(*args, **parts), ws=VenueSocket) as url:
        venue = Venue(url)
        try:
            yield venue
        finally:
            venue.close()
