"""The course of one market's candles, pure: what was told, what is missing, what is to be asked for by REST."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from candleray.candles import CandleRows
from candleray.exchanges.stream import LiveKline
from candleray.feeds.fill_gate import FillGate
from candleray.feeds.lags import Lags
from candleray.feeds.minutes import Minutes, Verdict
from candleray.feeds.pace import HOUR_MS, Pace
from candleray.feeds.row_buffer import LiveRow, RowSource
from candleray.market_data.screening import is_candle, screen
from candleray.markets import Instrument, Market
from candleray.timeframes import MINUTE_MS

HOLES_KEPT_MS = 24 * HOUR_MS
"""Age up to which the exchange is asked again for a hole, before that is left to the scan of the whole history."""
DOUBTED_MS = 15 * MINUTE_MS
"""Age, as somebody last listened, of minutes that REST is to tell again: revisions come seconds after a close."""
NOT_FOLLOWED = "of a symbol that is not subscribed"
_OLDEST_MS = 24 * HOUR_MS
_MOST_SILENT = 20
TOO_OLD = "opens more than a day before what is followed"
NOT_OF_THE_WINDOW = "outside of the window that was asked for"


@dataclass(frozen=True)
class Ask:
    """A question to REST: the minutes of a symbol that open in `[start_ms, end_ms)`, all of them closed."""

    symbol: str
    start_ms: int
    end_ms: int
    asked_ms: int


@dataclass
class FeedCounts:
    """Counts of what the market told since this process began, by what became of it."""

    told: int = 0
    repeated: int = 0
    filled: int = 0
    """Minutes that only REST told."""
    written: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """An example of each reason of a refusal, the first."""

    def refuse(self, reason: str, example: str) -> None:
        self.refused[reason] += 1
        self.examples.setdefault(reason, example[:300])


class MarketFeed:
    """Minutes of the followed symbols of one market. Every call is given the venue's time in ms."""

    def __init__(self, market: Market, pace: Pace, page_minutes: int) -> None:
        self.market = market
        self.pace = pace
        self.page_ms = page_minutes * MINUTE_MS
        self.minutes: dict[str, Minutes] = {}
        self.served: set[str] = set()
        """Symbols whose candles a socket is expected to bring."""
        self.gate = FillGate(pace)
        self.counts = FeedCounts()
        self.lags = Lags()
        self.last_candle_ms = 0
        """The newest minute that the store has."""
        self.heard_until_ms: dict[str, int] = {}
        """The time at which somebody had last listened before this process followed a symbol."""
        self._recheck_at_ms: dict[str, int] = {}
        self._rechecked_until_ms: dict[str, int] = {}
        self._followed_from_ms: dict[str, int] = {}
        self._deserted_ms: dict[str, int] = {}
        """The time since which no socket carries a symbol that one carried."""
        self._instruments: dict[str, Instrument] = {}

    def follow(
        self,
        symbol: str,
        start_ms: int,
        now_ms: int,
        heard_until_ms: int | None = None,
        first_candle_ms: int = 0,
    ) -> None:
        """Follow a symbol from a minute on.

        Args:
            heard_until_ms: the time at which somebody last listened, where that is known.
            first_candle_ms: as in `Minutes`.
        """
        minutes = self.minutes[symbol] = Minutes(symbol, start_ms, self.pace, first_candle_ms)
        minutes.urgent_until_ms = now_ms
        self.heard_until_ms[symbol] = now_ms if heard_until_ms is None else min(heard_until_ms, now_ms)
        _doubt(minutes, self.heard_until_ms[symbol], now_ms)
        self._followed_from_ms[symbol] = now_ms
        self._instruments[symbol] = Instrument(market_id=self.market.market_id, symbol=symbol)

    def adopt_holes(self, symbol: str, holes_ms: Collection[int], now_ms: int) -> None:
        """Take over the holes that were declared before this process, and ask for them again at once.

        Another process may have ended before it did: after a third start within the hour nobody would ask.
        """
        self.minutes[symbol].adopt_holes(holes_ms)
        if holes_ms:
            self._recheck_at_ms[symbol] = now_ms

    def forget(self, symbol: str) -> None:
        for known in (
            self.minutes,
            self._recheck_at_ms,
            self._rechecked_until_ms,
            self._followed_from_ms,
            self._deserted_ms,
            self.heard_until_ms,
            self._instruments,
        ):
            known.pop(symbol, None)
        self.served.discard(symbol)

    def tell(self, kline: LiveKline, now_ms: int) -> LiveRow | None:
        """Take what a socket tells; return the row to be written, if it is one."""
        if kline.symbol not in self.minutes:
            self.counts.ignored[NOT_FOLLOWED] += 1
            return None
        if not kline.is_closed:
            return None
        self.counts.told += 1
        if kline.ts_open_ms < self.minutes[kline.symbol].start_ms - _OLDEST_MS:
            self.counts.refuse(TOO_OLD, f"{kline.symbol}, {kline.ts_open_ms} ms")
            return None
        return self._row(kline, "websocket", now_ms)

    def serve(self, symbols: Iterable[str], now_ms: int) -> None:
        """A socket carries these from now on; what closed without it is asked for at once."""
        for symbol in symbols:
            if minutes := self.minutes.get(symbol):
                minutes.urgent_until_ms = max(minutes.urgent_until_ms, now_ms)
                if symbol not in self.served:
                    _doubt(minutes, self._deserted_ms.pop(symbol, now_ms), now_ms)
                self.served.add(symbol)

    def desert(self, symbols: Iterable[str], now_ms: int) -> None:
        """No socket carries these any more: REST is asked shortly after each close."""
        for symbol in self.served.intersection(symbols):
            self._deserted_ms[symbol] = now_ms
            self.served.remove(symbol)

    def asks(self, now_ms: int) -> list[Ask]:
        """The questions to be asked now; each is under way until it is answered or has failed."""
        found: list[Ask] = []
        closed_ms = now_ms // MINUTE_MS * MINUTE_MS
        for symbol, minutes in self.minutes.items():
            # Most of the time this is true of all, and it is asked every 50 ms.
            is_whole = minutes.settled_until_ms >= closed_ms and minutes.doubted_ms is None
            if is_whole and symbol not in self._recheck_at_ms:
                continue
            if not self.gate.is_open(now_ms):
                break
            if not minutes.is_asked and now_ms >= minutes.ask_after_ms and (ask := self._ask(symbol, now_ms)):
                minutes.ask()
                self.gate.enter()
                found.append(ask)
        for ask in found:  # next time the others come first
            self.minutes[ask.symbol] = self.minutes.pop(ask.symbol)
        return found

    def answer(self, ask: Ask, rows: CandleRows, now_ms: int) -> tuple[list[LiveRow], list[Verdict]]:
        """Take an answer; return the rows to be written and the verdicts to be kept."""
        self.gate.leave()
        minutes = self.minutes.get(ask.symbol)
        if minutes is None:
            return [], []
        minutes.is_asked = False
        usable: list[LiveKline] = []
        to_write: list[LiveRow] = []
        for kline in LiveKline.of_rows(ask.symbol, rows):
            if not ask.start_ms <= kline.ts_open_ms < ask.end_ms:
                self.counts.ignored[NOT_OF_THE_WINDOW] += 1
                continue
            if minutes.was_told_meanwhile(kline.ts_open_ms):
                usable.append(kline)
                continue
            was_missing = minutes.is_wanted(kline.ts_open_ms)
            may_differ = minutes.differs(kline) or minutes.is_doubted(kline.ts_open_ms)
            if was_missing or kline.ts_open_ms in minutes.holes or may_differ:
                row = self._row(kline, "rest", now_ms)
                if row is None:
                    continue
                self.counts.filled += was_missing
                to_write.append(row)
            usable.append(kline)
        verdicts = minutes.answered(ask.start_ms, ask.end_ms, usable, ask.asked_ms, now_ms)
        for verdict in verdicts:
            if verdict.ts_open_ms < minutes.first_candle_ms:  # asked for again like a hole, and told to nobody
                self.declare_hole(verdict, now_ms)
        return to_write, [one for one in verdicts if one.ts_open_ms >= minutes.first_candle_ms]

    def fail(self, ask: Ask, now_ms: int, wait_ms: int | None = None, *, of_symbol: bool = False) -> None:
        """A question got no answer; it is asked again, for ever.

        Args:
            of_symbol: the venue refuses this symbol alone.
        """
        minutes = self.minutes.get(ask.symbol)
        if minutes is not None:
            minutes.is_asked = False
            minutes.ask_after_ms = now_ms + (self.pace.longest_fruitless_ms if of_symbol else self.pace.retry_ms)
        if of_symbol:
            self.gate.leave()
        else:
            self.gate.leave_failed(now_ms, wait_ms)

    def keep(self, row: LiveRow, now_ms: int) -> bool:
        """The store has a row; True where its minute had been declared a hole."""
        minutes = self.minutes.get(row.kline.symbol)
        ts_ms = row.kline.ts_open_ms
        self.counts.written += 1
        self.last_candle_ms = max(self.last_candle_ms, ts_ms)
        if minutes is None:
            return False
        is_first = not minutes.is_settled(ts_ms)
        if is_first and ts_ms + MINUTE_MS > self._followed_from_ms[row.kline.symbol]:
            self.lags.add(max(0, now_ms - ts_ms - MINUTE_MS))
        return minutes.acknowledge(ts_ms)

    def lose(self, rows: Iterable[LiveRow]) -> None:
        """Rows that were not kept: their minutes are missing again."""
        for row in rows:
            if minutes := self.minutes.get(row.kline.symbol):
                minutes.lose(row.kline.ts_open_ms)

    def declare_hole(self, verdict: Verdict, now_ms: int) -> None:
        """A verdict is kept."""
        if minutes := self.minutes.get(verdict.symbol):
            minutes.declare_hole(verdict.ts_open_ms)
            self._recheck_at_ms.setdefault(verdict.symbol, now_ms + self.pace.recheck_ms)

    def missing_symbols(self, now_ms: int) -> Sequence[str]:
        """Symbols that lack a minute which is due."""
        return [symbol for symbol in self.minutes if self._first_missing(symbol, now_ms) is not None]

    def silent_symbols(self, now_ms: int) -> dict[str, int]:
        """Symbols of which the venue has told no minute for long, with the first that lacks; twenty at most."""
        since_ms = ((symbol, minutes.silent_since_ms(now_ms)) for symbol, minutes in sorted(self.minutes.items()))
        silent = ((symbol, first_ms) for symbol, first_ms in since_ms if first_ms is not None)
        return dict(islice(silent, _MOST_SILENT))

    def _row(self, kline: LiveKline, source: RowSource, now_ms: int) -> LiveRow | None:
        # A frame that was sent before its minute was over is no closed candle, however late it is read.
        until_ms = min(now_ms, now_ms if kline.told_ms is None else kline.told_ms) + self.pace.future_ms
        if not is_candle(kline.ts_open_ms, kline.values, until_ms):
            _, refused = screen(LiveKline.rows([kline]), until_ms, f"at {self.market.name}")
            self.counts.refuse(refused[0].reason, f"{kline.symbol}, {refused[0].first_example}")
            return None
        if not self.minutes[kline.symbol].receive(kline):
            self.counts.repeated += 1
            return None
        return LiveRow(self._instruments[kline.symbol], kline, source)

    def _ask(self, symbol: str, now_ms: int) -> Ask | None:
        closed_ms = now_ms // MINUTE_MS * MINUTE_MS
        first_ms = self._first_missing(symbol, now_ms)
        if doubted_ms := self.minutes[symbol].doubted_ms:
            first_ms = doubted_ms[0] if first_ms is None else min(first_ms, doubted_ms[0])
        if first_ms is None and now_ms >= self._recheck_at_ms.get(symbol, now_ms + 1):
            first_ms = self._hole_to_ask_again(symbol, now_ms)
        if first_ms is None:
            return None
        # To the newest closed minute: a verdict needs later minutes in the answer.
        return Ask(symbol, first_ms, min(first_ms + self.page_ms, closed_ms), now_ms)

    def _first_missing(self, symbol: str, now_ms: int) -> int | None:
        minutes = self.minutes[symbol]
        patience_ms = self.pace.late_ms if symbol in self.served else self.pace.poll_ms
        due_ms = (now_ms - patience_ms) // MINUTE_MS * MINUTE_MS
        soon_ms = (min(now_ms, minutes.urgent_until_ms + self.pace.poll_ms) - self.pace.poll_ms) // MINUTE_MS
        return minutes.missing_since(max(due_ms, soon_ms * MINUTE_MS), now_ms)

    def _hole_to_ask_again(self, symbol: str, now_ms: int) -> int | None:
        """The first hole of the next page: one page after the other, then none until the next time."""
        minutes = self.minutes[symbol]
        minutes.holes = {ts_ms for ts_ms in minutes.holes if ts_ms >= now_ms - HOLES_KEPT_MS}
        asked_until_ms = self._rechecked_until_ms.pop(symbol, 0)
        first_ms = min((ts_ms for ts_ms in minutes.holes if ts_ms >= asked_until_ms), default=None)
        if first_ms is not None:
            self._rechecked_until_ms[symbol] = first_ms + self.page_ms
        elif minutes.holes:
            self._recheck_at_ms[symbol] = now_ms + self.pace.recheck_ms
        else:
            del self._recheck_at_ms[symbol]
        return first_ms


def _doubt(minutes: Minutes, heard_until_ms: int, now_ms: int) -> None:
    """Have REST tell again what may have been revised since somebody last listened."""
    minutes.doubt(heard_until_ms // MINUTE_MS * MINUTE_MS - DOUBTED_MS, now_ms // MINUTE_MS * MINUTE_MS)
