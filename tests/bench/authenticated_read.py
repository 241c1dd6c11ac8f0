"""Latency of an authenticated read beside a plain uvicorn route, at 100 requests a second each.

    python -m tests.bench.authenticated_read [seconds] [rate]

Both are served by uvicorn in processes of their own; the read looks its token up in Postgres at every request.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sys
import time
from typing import Any

import httpx
import numpy as np
import uvicorn

from tests import embedded


def _serve(listener: socket.socket, kind: str, postgres_url: str, valkey_url: str) -> None:
    uvicorn.Server(
        uvicorn.Config(_plain if kind == "plain" else _api(postgres_url, valkey_url), log_level="error")
    ).run(sockets=[listener])


async def _plain(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})


def _api(postgres_url: str, valkey_url: str) -> Any:
    embedded.postgres_url = lambda: postgres_url  # type: ignore[assignment]
    embedded.valkey_url = lambda: valkey_url  # type: ignore[assignment]
    from serve_apps.api import build_api
    from tests.in_process_api import backend

    return build_api(backend(object()))


async def _measure(url: str, path: str, headers: dict[str, str], seconds: float, rate: float) -> np.ndarray:
    """Milliseconds of each request, counted from when it was due: a late start counts as latency."""
    taken: list[float] = []

    async def ask(client: httpx.AsyncClient, due: float) -> None:
        (await client.get(path, headers=headers)).raise_for_status()
        taken.append((time.perf_counter() - due) * 1000)

    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        for _ in range(20):
            await client.get(path, headers=headers)
        began, asking = time.perf_counter(), []
        for number in range(int(seconds * rate)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asking.append(asyncio.create_task(ask(client, due)))
        await asyncio.gather(*asking)
    return np.array(taken)


def main(seconds: float = 20, rate: float = 100) -> None:
    servers = []
    try:
        postgres_url, valkey_url = embedded.postgres_url(), embedded.valkey_url()
        for kind in ("plain", "read"):
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
            process = multiprocessing.Process(
                target=_serve, args=(listener, kind, postgres_url, valkey_url), daemon=True
            )
            process.start()
            servers.append((kind, f"http://127.0.0.1:{listener.getsockname()[1]}", process))
        print(f"{'route':8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'max ms':>10}")
        for kind, url, _ in servers:
            _wait(url)
            headers = {} if kind == "plain" else _log_in(url)
            path = "/" if kind == "plain" else "/me"
            ms = asyncio.run(_measure(url, path, headers, seconds, rate))
            p50, p95, p99 = np.percentile(ms, [50, 95, 99])
            print(f"{kind:8}{p50:10.2f}{p95:10.2f}{p99:10.2f}{ms.max():10.2f}")
    finally:
        for *_, process in servers:
            process.terminate()
            process.join(10)
        embedded.stop_services()


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
    from tests.in_process_api import fresh_login

    answer = httpx.post(f"{url}/login/telegram/widget", json=fresh_login(1), trust_env=False, timeout=60)
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['token']}"}


if __name__ == "__main__":
    main(*(float(argument) for argument in sys.argv[1:]))
