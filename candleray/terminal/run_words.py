"""Words for what runs say, on a line of the terminal."""

from __future__ import annotations

from candleray.live.events import (
    Annulled,
    Entry,
    EventBody,
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
from candleray.live.standing import RunStanding
from candleray.terminal.tables import second_text
from candleray.text_table import duration_text


def event_line(event: StrategyEvent, subject: str) -> str:
    """One line: the number, the bar's opening time or the moment, the run, and what it said."""
    return f"{event.number}  {second_text(event.ts_open)}  {subject}  {event_words(event.body)}"


def event_words(body: EventBody) -> str:
    match body:
        case SignalChange():
            return f"signal {body.signal}, before {body.before}, close {amount(body.close)}"
        case Entry():
            return (
                f"entry {body.side} {amount(body.quantity)} at {amount(body.price)}, {_equity(body.equity_quote)}"
            )
        case Exit():
            gain = f"{body.pnl_quote:+,.2f} ({body.return_pct:+.2f} %)"
            return (
                f"exit {body.side} at {amount(body.price)} by {body.reason}: {gain}, {_equity(body.equity_quote)}"
            )
        case Annulled():
            return f"annulled {body.side} at {amount(body.price)}: a gap follows its bar"
        case OrderMade():
            return f"order {body.side} {amount(body.quantity)}, {body.client_order_id}"
        case OrderFilled():
            return (
                f"fill {body.side} {amount(body.quantity)} at {amount(body.price)}, "
                f"balance {body.balance_quote:,.2f}"
            )
        case OrderHalt():
            return f"makes no order any more: {body.reason}"
        case Gap():
            minutes = "1 minute" if body.minutes == 1 else f"{body.minutes:,} minutes"
            return f"gap: the exchange does not have {minutes}"
        case LateCandle():
            return f"late candle, seen at {second_text(body.seen_at)}"
        case Wait():
            return f"waits for minutes of {body.instrument}: {body.reason}"
        case StateChange():
            return f"{body.to_state}: {body.cause}"


def position_words(standing: RunStanding) -> str:
    if standing.side is None or standing.entry_price is None:
        return "none"
    return f"{standing.side} {amount(standing.quantity)} at {amount(standing.entry_price)}"


def lag_words(standing: RunStanding) -> str:
    return "–" if standing.lag_s is None else duration_text(standing.lag_s)


def amount(value: float) -> str:
    """Up to eight significant digits: prices and quantities are exact in `--json`."""
    return f"{value:.8g}"


def _equity(quote: float) -> str:
    return f"equity {quote:,.2f}"
