"""The standing of a live run: how far it is, what it says and holds, as its runner knows it."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from candleray.live.events import Side
from candleray.timeframes import Moment
from candleray.validation import Model

RECENT_S = 35.0
"""Older standings are of runs that nobody runs any more: a run's shard tells of it three times within this."""


class RunStanding(Model):
    run_id: UUID
    session: int
    last_bar: Moment | None = None
    """Opening time of the last bar that was taken; `null` before the first."""
    lag_s: float | None = None
    """Seconds, by the exchange's clock, since the last minute that was taken has closed."""
    signal: Literal["long", "short", "none"] = "none"
    side: Side | None = None
    """The side of the open position; `null` for none."""
    quantity: float = 0.0
    entry_price: float | None = None
    equity_quote: float
    """The equity of the paper account at the close of the last bar."""
    return_pct: float
    """The gain of the equity since the session began, in percent of its first."""
    trades: int = 0
    """Trades that have closed."""
    waits_for: str | None = None
    """The reason that no bar is taken, such as minutes that have not come."""
