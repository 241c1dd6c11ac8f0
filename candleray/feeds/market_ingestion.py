"""Ingestion of one market: its sockets, its questions to REST, the venue's clock, around the pure core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any

from candleray.candles import CandleRows
from candleray.errors import ExchangeError, NotFound
from candleray.exchanges.discovery import exchange_of
from candleray.exchanges.rest import RestClient
from candleray.feeds.feed_state import FeedMode, FeedState, RefusedReason
from candleray.feeds.market_feed import Ask, MarketFeed
from candleray.feeds.minutes import Verdict
from candleray.feeds.pace import Pace
from candleray.feeds.rest_questions import ask_candles, ask_time_ms, wait_ms
from candleray.feeds.row_buffer import LiveRow
from candleray.feeds.venue_clock import VenueClock
from candleray.feeds.websockets.socket_watch import SocketWatch
from candleray.feeds.websockets.sockets import MarketSockets, SocketSlot
from candleray.feeds.websockets.websocket import MISSING, Connect
from candleray.logs import get_logger
from candleray.markets import Market
from candleray.settings import LiveSettings
from candleray.timeframes import MINUTE_MS, from_ms, iso_or_ms

log = get_logger("feeds")

CLOCK_TRUSTED_S = 60.0
_CLOCK_RETRY_S = 2.0
_TIME_WITHIN_S = 5.0
"""The longest wait for the venue's time at a start: a ban lasts for minutes, and sockets do without REST."""
_WARN_AHEAD_MS = 2_000
_MOST_HASTE = 240.0
"""A fast clock is asked for more often, but not more than four times a second."""
_NO_ROWS = CandleRows.join([])


class MarketIngestion:
    def __init__(
        self,
        market: Market,
        live: LiveSettings,
        rest: RestClient,
        connect: Connect | None,
        on_row: Callable[[LiveRow], None],
    ) -> None:
        """
        Args:
            connect: None where there are no websockets; then REST alone serves.
        """
        self.market = market
        self.clock = VenueClock(live.clock_speed, most_apart_s=live.max_clock_difference_s)
        exchange = exchange_of(market)
        self.feed = MarketFeed(market, Pace.of(live), exchange.api(market).page_minutes)
        self._haste = min(max(1.0, live.clock_speed), _MOST_HASTE)
        self.verdicts: dict[tuple[str, int], Verdict] = {}
        """Verdicts that are to be kept."""
        self.unknown: dict[str, str] = {}
        """Symbols that the exchange's REST interface does not know, with its words."""
        self.clock_ahead_ms: int | None = None
        self.rest_trouble = ""
        """The failure of the last question; empty where it was answered."""
        self._rest, self._on_row = rest, on_row
        self._has_own_stream = market.name in live.stream_urls
        self._asking: set[asyncio.Task[None]] = set()
        self._measuring: asyncio.Task[None] | None = None
        self._sockets: MarketSockets | None = None
        if connect is not None:
            api = exchange.stream(market)
            url = live.stream_urls.get(market.name, api.url) + api.path
            self._sockets = MarketSockets(
                lambda: SocketSlot(self.feed, api, url, connect, self.clock, on_row),
                api,
                live.connections_per_market,
            )

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    @property
    def screened_until_ms(self) -> int:
        """The time by which a minute is over, for the feed and for the store alike."""
        return self.now_ms + self.feed.pace.future_ms

    @property
    def closed_until_ms(self) -> int:
        return self.now_ms // MINUTE_MS * MINUTE_MS

    async def measure_once(self) -> None:
        """Ask for the venue's time where it is not known yet; without an answer our own clock is believed.

        A simulator's fast clock is nowhere near ours, so its answer is waited for, however often it refuses.
        """
        self._keep_clock()
        while self.clock.measured_at_s is None and self._measuring is not None:
            await asyncio.wait([self._measuring], timeout=_TIME_WITHIN_S if self.clock.speed == 1 else None)
            if self.clock.speed == 1:
                break
            self._keep_clock()

    def follow(
        self,
        symbol: str,
        start_ms: int,
        missing_ms: Iterable[tuple[int, int]],
        end_ms: int,
        holes_ms: Sequence[int],
        stored_ms: tuple[int, int],
    ) -> None:
        """Follow a symbol from a minute on, given what the store lacks in `[start_ms, end_ms)`.

        Args:
            stored_ms: the first candle that is stored, and the end.
        """
        first_ms, stored_until_ms = stored_ms
        self.feed.follow(symbol, start_ms, self.now_ms, stored_until_ms, first_ms)
        self.feed.minutes[symbol].adopt_stored(missing_ms, end_ms)
        self.feed.adopt_holes(symbol, holes_ms, self.now_ms)
        self._want()

    def forget(self, symbol: str) -> None:
        self.feed.forget(symbol)
        self.unknown.pop(symbol, None)
        self._want()

    async def step(self) -> None:
        """Do what is due; questions to REST go on by themselves."""
        if not self.feed.minutes and not (self._sockets and self._sockets.slots):
            return
        self._keep_clock()
        if self._sockets is not None:
            await self._sockets.step()
        # Before the venue's time is known, a minute that forms might be taken for closed.
        if self.clock.measured_at_s is not None:
            for ask in self.feed.asks(self.now_ms):
                self._start(self._ask(ask))

    async def close(self) -> None:
        for task in (*self._asking, *([self._measuring] if self._measuring else [])):
            task.cancel()
        if self._sockets is not None:
            await self._sockets.close()

    def state(self) -> FeedState:
        counts, slots = self.feed.counts, self._sockets.slots if self._sockets else []
        connected = [slot.watch.connected_ms for slot in slots if slot.watch.connected_ms is not None]
        mode, reason = self._mode()
        trouble = None if self.clock.dispute else self._last_trouble()
        return FeedState(
            market=self.market.name,
            mode=mode,
            reason=self.clock.dispute or reason,
            trouble_at=from_ms(trouble.last_error_ms) if trouble and self.feed.minutes else None,
            subscribed=len(self.feed.minutes),
            connected_since=from_ms(max(connected)) if connected else None,
            last_candle=from_ms(self.feed.last_candle_ms) if self.feed.last_candle_ms else None,
            lag_p50_ms=self.feed.lags.quantile_ms(0.5),
            lag_p99_ms=self.feed.lags.quantile_ms(0.99),
            written=counts.written,
            filled=counts.filled,
            repeated=counts.repeated,
            reconnects=sum(slot.watch.reconnects for slot in slots),
            incomplete=len(self.feed.missing_symbols(self.now_ms)),
            silent={
                symbol: from_ms(first_ms) for symbol, first_ms in self.feed.silent_symbols(self.now_ms).items()
            },
            clock_ahead_ms=self.clock_ahead_ms,
            budget_shared=self._rest.shares_budget,
            rest_trouble=self.rest_trouble,
            holes=sum(minutes.hole_count for minutes in self.feed.minutes.values()),
            refused={
                reason: RefusedReason(count=count, example=counts.examples.get(reason, ""))
                for reason, count in counts.refused.items()
            },
            ignored=dict(counts.ignored),
            refused_symbols={
                **{symbol: said for slot in slots for symbol, said in slot.refused.items()},
                **self.unknown,
            },
        )

    def _mode(self) -> tuple[FeedMode, str]:
        if not self.feed.minutes:
            return "idle", ""
        if self._sockets is None:
            return "polling", MISSING
        trouble = self._last_trouble()
        said = [trouble.last_error if trouble else "", self._sockets.left_out]
        if trouble and self._has_own_stream:
            said.insert(1, f"the address is that of the setting live.stream_urls.{self.market.name}")
        return "sockets" if self.feed.served else "polling", "; ".join(filter(None, said))

    def _last_trouble(self) -> SocketWatch | None:
        """The watch whose socket was in trouble last, if one was."""
        watches = [slot.watch for slot in self._sockets.slots] if self._sockets else []
        troubled = [watch for watch in watches if watch.last_error]
        return max(troubled, key=lambda watch: watch.last_error_ms, default=None)

    def _want(self) -> None:
        if self._sockets is not None:
            self._sockets.want(self.feed.minutes)

    def _keep_clock(self) -> None:
        if self._measuring is None and not self.clock.is_trusted(CLOCK_TRUSTED_S / self._haste):
            self._measuring = asyncio.get_running_loop().create_task(self._measure())
            self._measuring.add_done_callback(self._measured)

    def _measured(self, task: asyncio.Task[None]) -> None:
        self._measuring = None

    async def _measure(self) -> None:
        try:
            server_ms = await ask_time_ms(self._rest, self.market)
        except ExchangeError as error:
            log.info("feed_clock_unknown", market=self.market.name, reason=error.message)
            asked = iso_or_ms(int(time.time() * 1000))
            self.rest_trouble = f"asked for its time at {asked}: {error.message}"
            wait_s = self.clock.real_s(wait_ms(self._rest, self.market))
            await asyncio.sleep(max(_CLOCK_RETRY_S / self._haste, wait_s))
            return
        self.rest_trouble = ""
        self._set_clock(server_ms)

    def _set_clock(self, server_ms: int) -> None:
        ahead_ms = self.clock.measured(server_ms)
        if self.clock.dispute:
            log.error("clock_disputed", market=self.market.name, reason=self.clock.dispute)
        elif self.clock.speed == 1 and abs(ahead_ms) > _WARN_AHEAD_MS and self.clock_ahead_ms is None:
            log.warning("clock_is_off", market=self.market.name, ahead_ms=ahead_ms)
        self.clock_ahead_ms = ahead_ms

    async def _ask(self, ask: Ask) -> None:
        try:
            ask = await self._of_closed_minutes(ask)
            rows = await ask_candles(self._rest, self.market, ask) if ask.start_ms < ask.end_ms else _NO_ROWS
        except NotFound as error:
            log.warning("feed_symbol_unknown", market=self.market.name, symbol=ask.symbol, reason=error.message)
            self.feed.fail(ask, self.now_ms, of_symbol=True)
            if ask.symbol in self.feed.minutes:
                self.unknown[ask.symbol] = error.message
            return
        except ExchangeError as error:
            log.info("feed_question_failed", market=self.market.name, symbol=ask.symbol, reason=error.message)
            self.rest_trouble = error.message
            self.feed.fail(ask, self.now_ms, wait_ms(self._rest, self.market))
            return
        except Exception:
            log.exception("feed_question_broken", market=self.market.name, symbol=ask.symbol)
            self.feed.fail(ask, self.now_ms)
            return
        self.rest_trouble = ""
        if rows is not _NO_ROWS:  # it was asked for
            self.unknown.pop(ask.symbol, None)
        to_write, verdicts = self.feed.answer(ask, rows, self.now_ms)
        for row in to_write:
            self._tell_watch(row)
            self._on_row(row)
        for verdict in verdicts:
            self.verdicts[verdict.symbol, verdict.ts_open_ms] = verdict

    async def _of_closed_minutes(self, ask: Ask) -> Ask:
        """The question without minutes that may still be forming.

        A simulator's fast clock stands where its machine is busy: what it says now is believed, not our count.
        """
        if self.clock.speed == 1:
            return ask
        server_ms = await ask_time_ms(self._rest, self.market)
        self._set_clock(server_ms)
        return replace(ask, end_ms=min(ask.end_ms, server_ms // MINUTE_MS * MINUTE_MS))

    def _tell_watch(self, row: LiveRow) -> None:
        """The socket did not bring this minute: by right only if nobody traded."""
        slot = self._sockets.slot_of(row.kline.symbol) if self._sockets else None
        since_ms = slot.watch.connected_ms if slot is not None else None
        if slot is not None and since_ms is not None and row.kline.ts_open_ms >= since_ms:
            slot.watch.rest_told(row.kline.volume > 0)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
