"""Portfolios by the SDK: several strategies over one account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from candleray.errors import NotFound
from candleray.portfolio.portfolio_request import PortfolioRequest, SuggestionRequest
from candleray.portfolio.portfolio_result import PortfolioResult, Suggestion
from candleray.sdk.connection import Sender, encoded, read
from candleray.sdk.references import STRATEGY, find_id

AnyPortfolio = PortfolioRequest | Mapping[str, Any] | bytes


class PortfolioMethods(Sender):
    """Several strategies at a time, at once: no job is waited for."""

    def portfolio(self, request: AnyPortfolio) -> PortfolioResult:
        """Run several strategies over one account.

        Args:
            request: members, each a `strategy` or the `strategy_id` of a saved one (its name or the beginning of
                its id will do), a `time_range`, and whatever of allocation, rebalance and limits is wanted.

        Raises:
            InvalidInput: one problem a field; members that share nothing in time.
            GuardExceeded: the range is too long for one answer.

        >>> best = client.backtest(request).top[0]
        >>> members = [{"strategy": best.strategy}]
        >>> whole = client.portfolio({"members": members, "time_range": request["time_range"]})
        >>> whole.metrics == best.metrics
        True
        >>> pair = [*members, {"strategy": client.backtest(request).top[1].strategy}]
        >>> limits = {"max_positions": 1}
        >>> told = client.portfolio({"members": pair, "time_range": request["time_range"], "limits": limits})
        >>> told.members[1].refused["max_positions"] > 0
        True
        """
        body = self._with_ids(encoded(request))
        return read(PortfolioResult, self.send("POST", "/portfolios/backtests", content=body))

    def suggest_portfolio(self, request: SuggestionRequest | Mapping[str, Any] | bytes) -> Suggestion:
        """Choose the strategies that together have the best Sharpe ratio, no two of them much alike.

        Args:
            request: members as of a portfolio, the `time_range`, how many to `choose`, and `max_correlation`.

        Raises:
            InvalidInput: one problem a field; so many that are so unlike are not among them.

        >>> top = client.backtest(request).top
        >>> members = [{"strategy": variant.strategy} for variant in top]
        >>> over = {"start": "2025-01-01", "end": "2025-01-02"}
        >>> asked = {"members": members, "time_range": over, "choose": 2, "max_correlation": 1}
        >>> len(client.suggest_portfolio(asked).members)
        2
        """
        body = self._with_ids(encoded(request))
        return read(Suggestion, self.send("POST", "/portfolios/suggestions", content=body))

    def _with_ids(self, body: bytes) -> bytes:
        """Return the bytes of a request, with ids in place of any other references to saved strategies."""
        if b'"strategy_id"' not in body:
            return body
        try:
            content = json.loads(body)
        except ValueError:
            return body  # the API says where
        members = content.get("members") if isinstance(content, dict) else None
        if not isinstance(members, list):
            return body
        for at, member in enumerate(members):
            if isinstance(member, dict) and isinstance(member.get("strategy_id"), str):
                try:
                    member["strategy_id"] = str(find_id(self, STRATEGY, member["strategy_id"]))
                except NotFound as error:
                    raise NotFound(f"members.{at}.strategy_id: {error}") from None
        return encoded(content)
