"""Latency of an authenticated read beside a plain uvicorn route, at 100 requests a second each.

    python -m tests.bench.authenticated_read [--seconds 20] [--rate 100] [--url URL]

Without a URL both are served by uvicorn in processes of their own. With the URL of a running instance that
`candleray login` knows, `/health` and `/me` of that: through HAProxy and Serve. The read looks its token up in
Postgres at every request. `late` is by how much the slowest one was sent too late: that part is this process's.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import uvicorn

from candleray.sdk.credentials import token_for
from serve_apps.app import freeze_objects
from tests.support import embedded

GOAL_MS = 30


@dataclass(frozen=True)
class Route:
    name: str
    url: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Timed:
    """One request: when it was due, sent and answered, in seconds from the first."""

    due: float
    sent: float
    answered: float

    @property
    def ms(self) -> float:
        """Seconds from when it was due: a late start counts as latency."""
        return 1000 * (self.answered - self.due)


async def _measure(route: Route, seconds: float, rate: float) -> list[Timed]:
    taken: list[Timed] = []

    async def ask(client: httpx.AsyncClient, due: float) -> None:
        sent = time.perf_counter()
        (await client.get(route.path, headers=route.headers)).raise_for_status()
        taken.append(Timed(due - began, sent - began, time.perf_counter() - began))

    # Let go of before the server does: its own closing would meet a request now and then.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=route.url, trust_env=False, timeout=30, limits=limits) as client:
        for _ in range(20):
            await client.get(route.path, headers=route.headers)
        began, asking = time.perf_counter(), []
        for number in range(int(seconds * rate)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asking.append(asyncio.create_task(ask(client, due)))
        await asyncio.gather(*asking)
    return taken


def main(seconds: float, rate: float, url: str | None) -> None:
    freeze_objects()  # a collection in this process would look like one in theirs
    print(
        f"{'route':8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}{'at s':>8}{'late ms':>9}{'over 30':>9}"
    )
    with ExitStack() as stack:
        plain = stack.enter_context(_served("plain"))
        routes = [Route("plain", plain, "/", {})]
        if url:
            headers = {"Authorization": f"Bearer {token_for(url)}"}
            routes += [Route("health", url, "/health", {}), Route("read", url, "/me", headers)]
        else:
            stack.callback(embedded.stop_services)
            api = stack.enter_context(_served("read", embedded.postgres_url(), embedded.valkey_url()))
            routes.append(Route("read", api, "/me", _log_in(api)))
        asyncio.run(_measure(routes[0], 3, rate))  # what this process does for the first time is nobody's latency
        for route in routes:
            _print(route, asyncio.run(_measure(route, seconds, rate)))


def _print(route: Route, taken: list[Timed]) -> None:
    ms, slowest = [one.ms for one in taken], max(taken, key=lambda one: one.ms)
    p50, p95, p99 = np.percentile(ms, [50, 95, 99])
    late, over = 1000 * (slowest.sent - slowest.due), sum(one > GOAL_MS for one in ms)
    print(
        f"{route.name:8}{p50:9.2f}{p95:9.2f}{p99:9.2f}{slowest.ms:9.2f}{slowest.due:8.2f}{late:9.2f}{over:9}",
        flush=True,
    )


@contextmanager
def _served(kind: str, *services: str) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    process = multiprocessing.Process(target=_serve, args=(listener, kind, *services), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.join(10)
        listener.close()


def _serve(listener: socket.socket, kind: str, *services: str) -> None:
    app = _plain if kind == "plain" else _api(*services)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


async def _plain(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})


def _api(postgres_url: str, valkey_url: str) -> Any:
    embedded.postgres_url = lambda: postgres_url  # type: ignore[assignment]
    embedded.valkey_url = lambda: valkey_url  # type: ignore[assignment]
    from candleray.logs import configure_logs
    from serve_apps.api import build_api
    from tests.support.api.in_process_api import backend

    configure_logs("WARNING")
    api = build_api(backend(object()))
    freeze_objects()
    return api


def _wait(url: str) -> None:
    give_up_at = time.monotonic() + 120
    while time.monotonic() < give_up_at:
        try:
            httpx.get(url, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit(f"nothing answers at {url}")


def _log_in(url: str) -> dict[str, str]:
    from tests.support.api.in_process_api import fresh_login

    answer = httpx.post(f"{url}/login/telegram/widget", json=fresh_login(1), trust_env=False, timeout=60)
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['token']}"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--url")
    given = parser.parse_args()
    main(given.seconds, given.rate, given.url)
