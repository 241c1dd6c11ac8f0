"""What of a client is about saved strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

from candleray.backtests.result import RankedVariant
from candleray.jobs.job import BestVariant
from candleray.markets import find_market
from candleray.paging import collected
from candleray.sdk.connection import encoded, read
from candleray.strategies.strategy import Strategy, StrategyPage, StrategySpec

_PAGE = 500


class StrategyMethods:
    """The client's methods that are about strategies; `backtest` and `submit` take `{"strategy_id": …}`."""

    def save_strategy(
        self: Any, strategy: RankedVariant | BestVariant | StrategySpec | Mapping[str, Any] | bytes
    ) -> Strategy:
        """Save one for good; saved already, it is the one that is there.

        Args:
            strategy: a row of a backtest's or job's table, its `strategy`, a spec, or the bytes of its JSON.
        """
        chosen = strategy.strategy if isinstance(strategy, RankedVariant | BestVariant) else strategy
        whole = chosen if isinstance(chosen, bytes) else encoded(chosen)
        return read(Strategy, self.send("POST", "/strategies", content=b'{"strategy":' + whole + b"}"))

    def save_job_variant(self: Any, job_id: UUID | str, variant_index: int) -> Strategy:
        """Save the variant of that number of a job's search."""
        body = {"variant": {"job_id": str(job_id), "variant_index": variant_index}}
        return read(Strategy, self.send("POST", "/strategies", content=encoded(body)))

    def strategies(
        self: Any,
        market: str | int | None = None,
        symbol: str | None = None,
        *,
        timeframe: str | None = None,
        indicator: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> list[Strategy]:
        """Your strategies, the newest first; `name` is a part of it."""
        chosen = {
            "market_id": None if market is None else find_market(market).market_id,
            "symbol": symbol,
            "timeframe": timeframe,
            "indicator": indicator,
            "name": name,
        }

        def page(size: int, cursor: str | None) -> tuple[Sequence[Strategy], str | None]:
            params = {**chosen, "limit": size, "cursor": cursor}
            answer = read(StrategyPage, self.send("GET", "/strategies", params=params))
            return answer.strategies, answer.next_cursor

        return collected(page, limit, _PAGE)

    def strategy(self: Any, strategy_id: UUID | str) -> Strategy:
        """Raises NotFound: you have no such strategy."""
        return read(Strategy, self.send("GET", f"/strategies/{quote(str(strategy_id), safe='')}"))

    def clone_strategy(self: Any, strategy_id: UUID | str, changes: Mapping[str, Any] | bytes) -> Strategy:
        """A new strategy after another, whose parts that `changes` names are replaced whole."""
        body = changes if isinstance(changes, bytes) else encoded(changes)
        return read(
            Strategy, self.send("POST", f"/strategies/{quote(str(strategy_id), safe='')}/clone", content=body)
        )

    def delete_strategy(self: Any, strategy_id: UUID | str) -> Strategy:
        """Delete it, once it does not run; its content may be saved again."""
        path = f"/strategies/{quote(str(strategy_id), safe='')}"
        return read(Strategy, self.send("DELETE", path, repeatable=False))
