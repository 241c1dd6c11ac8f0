"""Feeds of live candles as operators see them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from candleray.feeds.feed_state import FeedState
from candleray.feeds.feed_store import FeedStore
from serve_apps.backend import InBackend
from serve_apps.examples import feeds as examples
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

router = APIRouter(prefix="/market-data", tags=["market data"], route_class=StrictRoute)


@router.get("/feeds", response_model=list[FeedState], responses=example([examples.FEED]))
async def list_feeds(backend: InBackend) -> Any:
    """Each market's feed of live candles: sockets, lag, what REST filled, what was refused and why.

    A feed tells of itself every five seconds; `told_at` shows one that has stopped.
    """
    return await FeedStore(await backend.postgres()).states()
