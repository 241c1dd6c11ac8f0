"""Lines about runs as the bot writes them: which one it is, how it stands, what it waits for."""

from __future__ import annotations

from typing import Any

from candleray.live.standing import RunStanding
from candleray.notify.texts import SHORT_ID, price, shortened, signed
from candleray.text_table import duration_text

_NAME, _SYMBOL, _REASON = 40, 20, 100
NOT_KNOWN = "how it stands is not known at the moment"


def run_line(row: dict[str, Any]) -> str:
    """A listed run, in one line."""
    symbol = shortened(row["instrument_key"].rpartition(":")[2], _SYMBOL)
    state = row["state"].replace("_", " ")
    return f"{str(row['run_id'])[:SHORT_ID]} {state}: {symbol} {row['timeframe']} {shortened(row['name'], _NAME)}"


def standing_lines(row: dict[str, Any], standing: RunStanding | None) -> list[str]:
    """A listed run and how it stands, in two lines or three."""
    if standing is None:
        return [run_line(row), f"  {NOT_KNOWN}"]
    held = "no position"
    if standing.side is not None and standing.entry_price is not None:
        held = f"{standing.side.upper()} {price(standing.quantity)} at {price(standing.entry_price)}"
    lag = "not known" if standing.lag_s is None else duration_text(standing.lag_s)
    told = f"  {held}, signal {standing.signal}, return {signed(standing.return_pct)} %, lag {lag}"
    waits = [f"  waits for {shortened(standing.waits_for, _REASON)}"] if standing.waits_for else []
    return [run_line(row), told, *waits]
