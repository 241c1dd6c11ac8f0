"""The standing of a live run: how far it is, what it says and holds, as its runner knows it."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from candleray.live.events import Side, Signal
from candleray.timeframes import Moment
from candleray.validation import Model

RECENT_S = 35.0
"""Older standings are of runs that nobody runs any more: a run's shard tells of it three times within this."""


class RunStanding(Model):
    run_id: UUID
    session: int
    as_of: Moment | None = None
    """The moment for which this holds: that at which its runner told it; of what is kept, the close of the last
    minute that the run is known to have taken, `null` before the first."""
    source: Literal["runner", "records"] = "runner"
    """`records`: its runner has told nothing lately, and this is what the database keeps."""
    last_bar: Moment | None = None
    """Opening time of the last bar that was taken; `null` before the first."""
    lag_s: float | None = None
    """Seconds, by the exchange's clock, since the last minute that was taken has closed."""
    signal: Signal = "none"
    side: Side | None = None
    """The side of the open position; `null` for none."""
    quantity: float = 0.0
    entry_price: float | None = None
    equity_quote: float
    """The equity of the paper account at the close of the last bar; of `records`, by its last entry or exit."""
    return_pct: float
    """The gain of the equity since the session began, in percent of its first."""
    trades: int = 0
    """Trades that have closed."""
    waits_for: str | None = None
    """The reason that no bar is taken, such as minutes that have not come, and why they have not."""
