"""Faults of listings: a symbol that halts, is delisted, or was listed a moment ago."""

from __future__ import annotations

from candleray.candles import CandleRows
from candleray.markets import InstrumentReference
from candleray.simulator.faults.alterations import HOUR_MS, drop, within, without
from candleray.simulator.faults.fault import Fault, FaultKind, Look
from candleray.timeframes import MINUTE_MS

LISTED_BEFORE_MS = 50 * MINUTE_MS


def _halt(fault: Fault, listing: list[InstrumentReference]) -> list[InstrumentReference]:
    return [
        each.model_copy(update={"is_tradable": False, "status": "halted"}) if each.symbol == fault.symbol else each
        for each in listing
    ]


def _delist(fault: Fault, listing: list[InstrumentReference]) -> list[InstrumentReference]:
    return [each for each in listing if each.symbol != fault.symbol]


def _lose(fault: Fault, rows: CandleRows, now_ms: int, look: Look) -> CandleRows:
    return without(rows, within(fault, rows))


def new_symbol(fault: Fault) -> str:
    return f"NEW{fault.number}{fault.symbol}"[:32]


def shown_symbol(fault: Fault) -> str | None:
    """The symbol by which a question of a client meets the fault."""
    return new_symbol(fault) if fault.kind is LISTED else fault.symbol


def _list(fault: Fault, listing: list[InstrumentReference]) -> list[InstrumentReference]:
    models = [each for each in listing if each.symbol == fault.symbol]
    added = [
        each.model_copy(update={"symbol": new_symbol(fault), "base_asset": f"NEW{fault.number}"})
        for each in models
    ]
    return sorted([*listing, *added], key=lambda each: each.symbol)


HALTED = FaultKind(
    "halted",
    33,
    "a symbol is listed as not trading, and has no candles meanwhile",
    lasts_ms=10 * MINUTE_MS,
    is_of_symbol=True,
    change_frames=drop,
    change_rows=_lose,
    change_listing=_halt,
)
DELISTED = FaultKind(
    "delisted",
    33,
    "a symbol is no longer listed, and unknown to requests",
    lasts_ms=10 * MINUTE_MS,
    is_of_symbol=True,
    change_frames=drop,
    change_rows=_lose,
    change_listing=_delist,
)
LISTED = FaultKind(
    "listed",
    34,
    "a new symbol, whose first minute was 50 minutes ago",
    lasts_ms=6 * HOUR_MS,
    is_of_symbol=True,
    change_listing=_list,
)
