"""Questions of repair to REST: they leave room for live ones, and say what became of those that got no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from candleray.errors import ExchangeError, NotFound
from candleray.exchanges.rest import RestClient
from candleray.feeds.market_ingestion import MarketIngestion
from candleray.feeds.rest_questions import wait_ms
from candleray.logs import get_logger
from candleray.timeframes import MINUTE_MS

log = get_logger("feeds")

_LEAST_EVERY_MS = MINUTE_MS
"""The longest wait for live questions to end: with very many symbols that are polled they never do."""


class RepairQuestions:
    """Live comes first: one question at a time, none after a live one failed, beside live ones one a minute."""

    def __init__(self, ingestion: MarketIngestion, rest: RestClient) -> None:
        self.rest = rest
        self._ingestion = ingestion
        self._asked_at_ms: int | None = None

    def may_be_asked(self, now_ms: int) -> bool:
        """Nothing live is in trouble, and live questions do not wait for it, or repair has waited long enough."""
        gate = self._ingestion.feed.gate
        if self._asked_at_ms is None:
            self._asked_at_ms = now_ms
        must_wait = gate.under_way and now_ms - self._asked_at_ms < _LEAST_EVERY_MS
        return not (must_wait or gate.failures or now_ms < gate.closed_until_ms)

    @contextmanager
    def asking(self, symbol: str, failed: Callable[[int], None]) -> Iterator[None]:
        """Ask one question within; without an answer, `failed` is called with the ms to wait besides the usual."""
        ingestion, feed = self._ingestion, self._ingestion.feed
        self._asked_at_ms = ingestion.now_ms
        feed.gate.enter()
        try:
            yield
        except NotFound as error:
            log.warning("feed_symbol_unknown", market=ingestion.market.name, symbol=symbol, reason=error.message)
            feed.gate.leave()
            failed(feed.pace.longest_fruitless_ms)
        except ExchangeError as error:
            log.info("feed_question_failed", market=ingestion.market.name, symbol=symbol, reason=error.message)
            ingestion.rest_trouble = error.message
            feed.gate.leave_failed(ingestion.now_ms, wait_ms(self.rest, ingestion.market))
            failed(0)
        except BaseException:
            feed.gate.leave()
            failed(0)
            raise
        else:
            ingestion.rest_trouble = ""
            feed.gate.leave()
