"""The client's methods about trials: the searches that were made."""

from __future__ import annotations

from collections.abc import Sequence

from candleray.paging import collected
from candleray.sdk.connection import Sender, read
from candleray.sdk.market_data import MarketNameOrId, market_id
from candleray.trials.trial import Trial, TrialPage

_PAGE_TRIALS = 500


class TrialMethods(Sender):
    """The record of your searches, which later verdicts count."""

    def trials(
        self, market: MarketNameOrId | None = None, symbol: str | None = None, limit: int | None = None
    ) -> list[Trial]:
        """Your searches, the newest first: what each tried, and what its verdict said.

        >>> result = client.backtest(request)
        >>> client.trials(symbol="BTCUSDT")[0].request_hash == result.request_hash
        True
        """
        wanted = {"market_id": market_id(market), "symbol": symbol}

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[Trial], str | None]:
            page = read(TrialPage, self.send("GET", "/trials", params={**wanted, "limit": size, "cursor": cursor}))
            return page.trials, page.next_cursor

        return collected(read_page, limit, _PAGE_TRIALS)
