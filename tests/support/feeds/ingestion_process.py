"""Processes of ingestion that may be killed at any moment, and begun anew at once.

`python -m tests.support.feeds.ingestion_process` imports what ingestion needs, then forks a process for each line
of its standard input, `{"venue": ..., "store": ..., "settings": ...}`, and writes the id of that process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import cryptofeed.connection  # noqa: F401 - imported here, each process has it at once

from actors.market_feed import follow_venue
from candleray.feeds import venue_ingestion  # noqa: F401
from candleray.feeds.feed_state import FeedState
from candleray.logs import configure_logs
from candleray.settings import Settings
from tests.support.feeds.store_process import StoreAt
from tests.support.instances.forked import fork_for_each_line


def main() -> None:
    fork_for_each_line(lambda given: ingest(**given))


def ingest(venue: str, store: str, settings: dict[str, Any]) -> None:
    configure_logs("INFO")

    def observe(states: Sequence[FeedState]) -> None:
        """The metrics are Ray's."""

    asyncio.run(follow_venue(venue, Settings(**settings), lambda _: (StoreAt(store), observe)))


if __name__ == "__main__":
    main()
