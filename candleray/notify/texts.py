"""Events in words for a trader: a message for each, a line in a digest of many.

The first line says what happened, and is shown in bold; the last one holds the event's number, by which a message
that came twice is known as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from candleray.live.events import (
    Annulled,
    Entry,
    Exit,
    Gap,
    LateCandle,
    OrderFilled,
    OrderHalt,
    OrderMade,
    SignalChange,
    StateChange,
    StrategyEvent,
    Wait,
)
from candleray.live.run import RunAction
from candleray.notify.bot_api import MOST_CHARACTERS, length_of
from candleray.timeframes import MINUTE_MS, Timeframe, minutes_of

SHORT_ID = 8
_NAME_IN_LINE = 40
_NAME_IN_MESSAGE = 200
_CAUSE = 300

_ENDS = {RunAction.GO_LIVE: "Live", RunAction.HALT: "Stopped", RunAction.FAIL: "Failed"}


class RunFacts(NamedTuple):
    """The parts of a run that its messages name."""

    run_id: UUID
    name: str
    """The strategy's name."""
    instrument_key: str
    timeframe: Timeframe
    init_cash_quote: float

    @property
    def symbol(self) -> str:
        return self.instrument_key.rpartition(":")[2]

    @property
    def market(self) -> str:
        return self.instrument_key.rpartition(":")[0].replace(":", " ")


def message_of(event: StrategyEvent, facts: RunFacts) -> str:
    """The whole message of one event."""
    what, *details = _told(event, facts)
    return "\n".join(
        [
            f"{what} · {facts.symbol} {facts.timeframe}",
            shortened(facts.name, _NAME_IN_MESSAGE),
            *details,
            f"{moment_of(event, facts):%Y-%m-%d %H:%M} UTC · {facts.market} · run {str(facts.run_id)[:SHORT_ID]}",
            f"#{event.number}",
        ]
    )


def line_of(event: StrategyEvent, facts: RunFacts) -> str:
    """The event in one line among others."""
    what = _told(event, facts)[0]
    name = shortened(facts.name, _NAME_IN_LINE)
    when = f"{moment_of(event, facts):%m-%d %H:%M}"
    return f"#{event.number} {when} {facts.symbol} {facts.timeframe}: {what} ({name})"


def left_out_message(count: int, number: int) -> str:
    """The message in place of so many events, the last of which has that number."""
    return "\n".join(
        [
            left_out_line(count, number),
            "More waited for this chat than are kept for it, so the oldest are not told.",
            "`candleray run events` and GET /runs/{run_id}/events still have them.",
        ]
    )


def left_out_line(count: int, number: int) -> str:
    return f"{count:,} event{'s' * (count != 1)} up to #{number} left out"


def digest_of(lines: Sequence[str]) -> tuple[str, int]:
    """The text of as many of these lines as one message may hold, and their number."""
    taken, length = 0, length_of(_digest_head(len(lines), is_all=False))
    for line in lines:
        length += 1 + length_of(line)
        if length > MOST_CHARACTERS:
            break
        taken += 1
    head = _digest_head(taken, is_all=taken == len(lines))
    return "\n".join([head, *lines[:taken]]), taken


def _digest_head(taken: int, is_all: bool) -> str:
    return f"{taken} events" if is_all else f"{taken} events, more to come"


def moment_of(event: StrategyEvent, facts: RunFacts) -> datetime:
    """The moment of an event: the close of its bar, as far as it is about a bar."""
    if isinstance(event.body, SignalChange | Entry | Exit | Annulled):
        return event.ts_open + timedelta(milliseconds=minutes_of(facts.timeframe) * MINUTE_MS)
    return event.ts_open


def _told(event: StrategyEvent, facts: RunFacts) -> list[str]:
    """The event in a few words, and lines that say more of it."""
    body = event.body
    if isinstance(body, SignalChange):
        return [f"Signal {body.signal.upper()} at {price(body.close)}", f"before: {body.before}"]
    if isinstance(body, Entry):
        return [
            f"{_side(body.side)} entry at {price(body.price)}",
            f"{price(body.quantity)} for {money(body.notional_quote)}, fee {money(body.fee_quote)}",
            _equity(body.equity_quote, facts),
        ]
    if isinstance(body, Exit):
        return [
            f"{_side(body.side)} exit at {price(body.price)}: {signed(body.return_pct)} %, {_words(body.reason)}",
            f"entered {body.entered:%Y-%m-%d %H:%M} UTC at {price(body.entry_price)}",
            f"{price(body.quantity)}, profit {signed(body.pnl_quote)}, fees {money(body.fees_quote)}",
            _equity(body.equity_quote, facts),
        ]
    if isinstance(body, Annulled):
        return [
            f"{_side(body.side)} entry at {price(body.price)} is void",
            "a gap in the candles follows the bar, and no position is held over it",
            _equity(body.equity_quote, facts),
        ]
    if isinstance(body, OrderMade | OrderFilled | OrderHalt):
        return _of_orders(body)
    if isinstance(body, Gap):
        minutes = f"{body.minutes} minute{'s' * (body.minutes != 1)}"
        return [f"Gap of {minutes}", "the exchange has no candles for them; bars that lack one are left out"]
    if isinstance(body, LateCandle):
        return ["Late candle", f"seen at {body.seen_at:%Y-%m-%d %H:%M:%S} UTC; the run does not go back for it"]
    if isinstance(body, Wait):
        return ["Waits for minutes that do not come", f"of {body.instrument}: {shortened(body.reason, _CAUSE)}"]
    return _state(body)


def _of_orders(body: OrderMade | OrderFilled | OrderHalt) -> list[str]:
    if isinstance(body, OrderHalt):
        return ["Orders halted", shortened(body.reason, _CAUSE), "the run makes no order any more"]
    if isinstance(body, OrderMade):
        return [f"Order on paper: {body.side} {price(body.quantity)}"]
    return [
        f"Filled on paper: {body.side} {price(body.quantity)} at {price(body.price)}",
        f"fee {money(body.fee_quote)}, balance {money(body.balance_quote)}",
    ]


def _state(body: StateChange) -> list[str]:
    word = _ENDS.get(body.action, f"Now {_words(body.to_state)}")
    return [word, shortened(body.cause, _CAUSE)]


def _equity(equity_quote: float, facts: RunFacts) -> str:
    gain_pct = 100 * (equity_quote / facts.init_cash_quote - 1)
    return f"paper equity {money(equity_quote)}, return {signed(gain_pct)} %"


def _side(side: str) -> str:
    return {"long": "▲ LONG", "short": "▼ SHORT"}[side]


def _words(name: str) -> str:
    return name.replace("_", " ")


def shortened(text: str, most: int) -> str:
    """The text in one line, of so many characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def price(value: float) -> str:
    """Ten significant digits without an exponent: `42,010.5`, `0.00001234`."""
    return format(Decimal(f"{value:.10g}"), ",f")


def money(value: float) -> str:
    return f"{value:,.2f}"


def signed(value: float) -> str:
    return f"{value:+,.2f}"
