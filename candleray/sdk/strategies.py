"""The client's methods about saved strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from candleray.backtests.result import RankedVariant
from candleray.jobs.job import BestVariant
from candleray.paging import collected
from candleray.sdk.connection import Sender, encoded, read
from candleray.sdk.market_data import MarketNameOrId, market_id
from candleray.sdk.references import JOB, STRATEGY, find_id
from candleray.strategies.strategy import Strategy, StrategyPage, StrategySpec

_PAGE_STRATEGIES = 500


class StrategyMethods(Sender):
    """Saved strategies; `backtest` and `submit` take `{"strategy_id": …}`."""

    def save_strategy(
        self,
        strategy: RankedVariant | BestVariant | StrategySpec | Mapping[str, Any] | bytes,
        *,
        request_hash: str | None = None,
    ) -> Strategy:
        """Save a strategy for good; where it is saved already, return that one.

        Args:
            strategy: a row of a backtest's or job's table, its `strategy`, a spec, or the bytes of its JSON.
            request_hash: of the answer that has it: the verdict of that search is kept with the strategy.

        >>> result = client.backtest(request)
        >>> strategy = client.save_strategy(result.top[0], request_hash=result.request_hash)
        >>> strategy.name.startswith("BTCUSDT-5m-sma")
        True
        """
        content = strategy.strategy if isinstance(strategy, RankedVariant | BestVariant) else strategy
        search = b"" if request_hash is None else b',"request_hash":' + encoded(request_hash)
        body = b'{"strategy":' + encoded(content) + search + b"}"
        return read(Strategy, self.send("POST", "/strategies", content=body))

    def save_job_variant(self, job_id: UUID | str, variant_index: int) -> Strategy:
        """Save the variant of that number of a job's search.

        >>> job = client.submit(request)
        >>> strategy = client.save_job_variant(job.job_id, variant_index=2)
        """
        body = {"variant": {"job_id": find_id(self, JOB, job_id), "variant_index": variant_index}}
        return read(Strategy, self.send("POST", "/strategies", content=encoded(body)))

    def strategies(
        self,
        market: MarketNameOrId | None = None,
        symbol: str | None = None,
        *,
        timeframe: str | None = None,
        indicator: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> list[Strategy]:
        """Your strategies, the newest first; `name` is a part of the strategy's name.

        >>> strategy = client.save_strategy(client.backtest(request).top[0])
        >>> [saved.name == strategy.name for saved in client.strategies(indicator="sma")]
        [True]
        """
        wanted = {
            "market_id": market_id(market),
            "symbol": symbol,
            "timeframe": timeframe,
            "indicator": indicator,
            "name": name,
        }

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[Strategy], str | None]:
            params = {**wanted, "limit": size, "cursor": cursor}
            page = read(StrategyPage, self.send("GET", "/strategies", params=params))
            return page.strategies, page.next_cursor

        return collected(read_page, limit, _PAGE_STRATEGIES)

    def strategy(self, strategy_id: UUID | str) -> Strategy:
        """One strategy by its id, the beginning of one, or its name, as every method takes it.

        Raises:
            NotFound: you have no such strategy.
            InvalidInput: several begin so; the message lists them.

        >>> client.strategy(strategy.strategy_id) == client.strategy(strategy.name) == strategy
        True
        """
        return read(Strategy, self.send("GET", self._strategy_path(strategy_id)))

    def clone_strategy(self, strategy_id: UUID | str, changes: Mapping[str, Any] | bytes) -> Strategy:
        """Save a new strategy after another; each part that `changes` names replaces the whole part.

        >>> cautious = client.clone_strategy(strategy.strategy_id, {"risk": {"sl_pct": 2}})
        >>> cautious.parent_id == strategy.strategy_id
        True
        """
        path = f"{self._strategy_path(strategy_id)}/clone"
        return read(Strategy, self.send("POST", path, content=encoded(changes)))

    def delete_strategy(self, strategy_id: UUID | str) -> Strategy:
        """Delete a strategy that does not run; its content may be saved again.

        >>> deleted = client.delete_strategy(strategy.strategy_id)
        >>> client.strategies()
        []
        """
        return read(Strategy, self.send("DELETE", self._strategy_path(strategy_id), repeatable=False))

    def _strategy_path(self, strategy_id: UUID | str) -> str:
        return f"/strategies/{find_id(self, STRATEGY, strategy_id)}"
