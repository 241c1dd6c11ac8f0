"""States of feeds in Postgres, so that every replica can show them."""

from __future__ import annotations

from collections.abc import Sequence

from candleray.databases.postgres import Postgres
from candleray.feeds.feed_state import FeedState
from candleray.markets import MARKETS, find_market


class FeedStore:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def keep(self, states: Sequence[FeedState]) -> None:
        for state in states:
            market_id = find_market(state.market).market_id
            await self._postgres.fetch("keep_feed_state", market_id, state.model_dump(mode="json"))

    async def states(self) -> list[FeedState]:
        """The last word of every market's feed; a market whose feed has never spoken is idle."""
        rows = await self._postgres.fetch("feed_states")
        told = {
            row["market_id"]: FeedState(
                **{**row["state"], "told_at": row["updated_at"], "told_ago_s": max(0.0, row["ago_s"])}
            )
            for row in rows
            if row["market_id"] in MARKETS
        }
        return [
            told.get(market_id) or FeedState(market=market.name, mode="idle")
            for market_id, market in MARKETS.items()
        ]
