"""The sockets of one market: each carries some symbols, is watched, and is replaced before it ends."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable

from candleray.errors import in_words
from candleray.exchanges.exchange import MalformedAnswer
from candleray.exchanges.stream import StreamApi
from candleray.feeds.market_feed import MarketFeed
from candleray.feeds.row_buffer import LiveRow
from candleray.feeds.venue_clock import VenueClock
from candleray.feeds.websockets.link import Link
from candleray.feeds.websockets.socket_watch import SocketWatch
from candleray.feeds.websockets.websocket import Connect
from candleray.logs import get_logger

log = get_logger("feeds")

NO_KLINE = "no candle"


class SocketSlot:
    """One set of symbols and the socket that carries it; while it is replaced, both."""

    def __init__(
        self,
        feed: MarketFeed,
        api: StreamApi,
        url: str,
        connect: Connect,
        clock: VenueClock,
        on_row: Callable[[LiveRow], None],
    ) -> None:
        self.symbols: set[str] = set()
        life_ms = None if api.life_s is None else int(api.life_s * 1000)
        self.watch = SocketWatch(feed.pace, life_ms)
        self._feed, self._api, self._url, self._connect = feed, api, url, connect
        self._clock, self._on_row = clock, on_row
        self._link: Link | None = None
        self._next: Link | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def refused(self) -> dict[str, str]:
        return dict(self._link.refused) if self._link else {}

    async def step(self) -> None:
        """Do what is due: open, replace, rebuild."""
        now_ms = self._clock.now_ms()
        if self._link is not None and self._link.has_ended:
            self._lost(now_ms)
        if self._next is not None and self._next.has_ended:
            self._next, self.watch.open_after_ms = None, now_ms + self._feed.pace.retry_ms
        if not self.symbols:
            await self.close()
        elif self._link is None:
            if now_ms >= self.watch.open_after_ms:
                self._link = self._begin()
        elif self._link.is_open and self.watch.connected_ms is None:
            self.watch.opened(now_ms)
            log.info("feed_connected", market=self._feed.market.name, symbols=len(self.symbols))
        elif self.watch.is_stale(now_ms):
            self._rebuild(now_ms)
        elif self._next is not None:
            if self._next.is_ready:
                self._hand_over(now_ms)
        elif self.watch.is_to_be_renewed(now_ms) and now_ms >= self.watch.open_after_ms:
            self._next = self._begin()

    async def close(self) -> None:
        for link in (self._link, self._next):
            if link is not None:
                await link.close()
        self._link = self._next = None
        self.watch.connected_ms = None
        self._feed.desert(self.symbols, self._clock.now_ms())

    def _leave(self, link: Link | None) -> None:
        """Close it without waiting: a dead peer does not answer the farewell."""
        if link is not None:
            leaving = asyncio.get_running_loop().create_task(link.close())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    def _begin(self) -> Link:
        link = Link(self._api, self._url, self._connect, self.symbols, self._take, self._accepted)
        link.start()
        return link

    def _lost(self, now_ms: int) -> None:
        error = self._link.error if self._link else ""
        self._link, self._next = self._next, None
        self.watch.closed(now_ms, error)
        # Those who were cut together do not come back together.
        self.watch.open_after_ms += int((self.watch.open_after_ms - now_ms) * random.random() / 2)  # noqa: S311
        if self._link is None:
            self._feed.desert(self.symbols, now_ms)
        log.warning(
            "feed_disconnected",
            market=self._feed.market.name,
            reason=self.watch.last_error,
            failures=self.watch.failures,
        )

    def _rebuild(self, now_ms: int) -> None:
        links, self._link, self._next = (self._link, self._next), None, None
        self.watch.closed(now_ms, f"no closed candle for {self._feed.pace.stale_ms / 1000:g} s", at_once=True)
        self._feed.desert(self.symbols, now_ms)
        log.error("feed_silent", market=self._feed.market.name, fruitless=self.watch.fruitless)
        for link in links:
            self._leave(link)

    def _hand_over(self, now_ms: int) -> None:
        old, self._link, self._next = self._link, self._next, None
        self.watch.opened(now_ms)
        self._serve(self._link.subscribed if self._link else ())
        log.info("feed_renewed", market=self._feed.market.name, symbols=len(self.symbols))
        self._leave(old)

    def _accepted(self, link: Link, symbols: list[str]) -> None:
        if link is self._link:
            self._serve(symbols)

    def _serve(self, symbols: Iterable[str]) -> None:
        if self.watch.is_trusted:
            self._feed.serve(symbols, self._clock.now_ms())

    def _take(self, link: Link, frame: str | bytes) -> None:
        """Read a frame; whatever it is, the socket goes on."""
        try:
            self._read(link, frame)
        except MalformedAnswer as error:
            self._feed.counts.refuse("differs from the documentation", str(error))
        except (ValueError, RecursionError):
            self._feed.counts.refuse("not JSON", repr(frame[:80]))
        except Exception as error:
            self._feed.counts.refuse("a failure of ours", in_words(error))
            log.exception("feed_frame_failed", market=self._feed.market.name)

    def _read(self, link: Link, frame: str | bytes) -> None:
        message = json.loads(frame)
        if reply := self._api.read_reply(message):
            link.replied(reply)
            return
        if self._api.restarts_notice(message):
            self.watch.is_told_to_leave = True
            return
        kline = self._api.read_kline(message)
        if kline is None:
            self._feed.counts.ignored[NO_KLINE] += 1
            return
        now_ms = self._clock.now_ms()
        if kline.is_closed and kline.symbol in self.symbols:
            self._heard(link, now_ms)
        if row := self._feed.tell(kline, now_ms):
            self._on_row(row)

    def _heard(self, link: Link, now_ms: int) -> None:
        was_trusted = self.watch.is_trusted
        self.watch.heard(now_ms)
        if not was_trusted:
            self._serve(link.subscribed)


class MarketSockets:
    """Slots, as many as the symbols need and the settings allow; beyond those REST serves."""

    def __init__(self, make_slot: Callable[[], SocketSlot], api: StreamApi, most_slots: int) -> None:
        self.slots: list[SocketSlot] = []
        self.left_out = ""
        """Words on symbols for which there is no room."""
        self._make_slot, self._api, self._most_slots = make_slot, api, most_slots
        self._of: dict[str, SocketSlot] = {}
        self._chars: Counter[SocketSlot] = Counter()
        """Characters of each slot's topics."""

    def want(self, symbols: Iterable[str]) -> None:
        """Carry these and no others; a change touches no other symbol's socket."""
        wanted = set(symbols)
        for symbol in self._of.keys() - wanted:
            slot = self._of.pop(symbol)
            slot.symbols.discard(symbol)
            self._chars[slot] -= self._chars_of(symbol)
        for symbol in sorted(wanted - self._of.keys()):
            if (roomy := self._slot_with_room(symbol)) is None:
                break
            roomy.symbols.add(symbol)
            self._of[symbol] = roomy
            self._chars[roomy] += self._chars_of(symbol)
        self.left_out = self._words_on(len(wanted))

    def _slot_with_room(self, symbol: str) -> SocketSlot | None:
        slot = next((slot for slot in self.slots if self._has_room(slot, symbol)), None)
        if slot is None and len(self.slots) < self._most_slots:
            self.slots.append(slot := self._make_slot())
        return slot

    def _words_on(self, wanted: int) -> str:
        if wanted == (carried := len(self._of)):
            return ""
        most = self._api.max_topics_chars
        bound = f"{self._api.max_topics:,}" + (f" or {most:,} characters" if most else "")
        return (
            f"{wanted:,} symbols are followed and websockets carry {carried:,} of them (at most {bound} a "
            f"connection x {self._most_slots} connections: the setting live.connections_per_market): the others "
            "come by REST after each close"
        )

    def slot_of(self, symbol: str) -> SocketSlot | None:
        return self._of.get(symbol)

    async def step(self) -> None:
        for slot in self.slots:
            await slot.step()
        for slot in [slot for slot in self.slots if not slot.symbols]:
            self.slots.remove(slot)
            del self._chars[slot]

    async def close(self) -> None:
        for slot in self.slots:
            await slot.close()

    def _has_room(self, slot: SocketSlot, symbol: str) -> bool:
        if len(slot.symbols) >= self._api.max_topics:
            return False
        most = self._api.max_topics_chars
        return most is None or self._chars[slot] + self._chars_of(symbol) <= most

    def _chars_of(self, symbol: str) -> int:
        return len(self._api.topic(symbol)) + 4  # quotes and a comma around it
