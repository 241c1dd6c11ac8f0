"""The API without Ray on a real port, for what speaks HTTP to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import uvicorn

from candleray import Client
from candleray.identity.models import WidgetLogin
from candleray.market_data.candle_store import CandleStore
from candleray.sdk.credentials import keep_token
from serve_apps.api import build_api
from tests.support.api.in_process_api import backend, fresh_login
from tests.support.canaries import watched
from tests.support.waiting import PATIENCE_S, wait_until


@contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """The address of an ASGI application, which listens until the block ends; `options` are uvicorn's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="auto", **options))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive(), every_s=0.01, what="the server listens")
            assert server.started, "the server ended while it started"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)


@contextmanager
def served_api(store: CandleStore, **changes: Any) -> Iterator[str]:
    """The address of an API over this store, logged in at; `changes` replace parts of its backend."""
    with served(watched(build_api(replace(backend(store), **changes)))) as url:
        with Client(url) as client:
            keep_token(url, client.log_in(WidgetLogin(**fresh_login(1))).token)
        yield url
