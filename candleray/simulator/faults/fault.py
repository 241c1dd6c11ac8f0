"""A fault: a kind of trouble, at a market and maybe a symbol of it, for a stretch of venue time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal, TypeAlias

from candleray.candles import CandleRows
from candleray.errors import NotFound, nearest
from candleray.exchanges.exchange import Failure
from candleray.markets import InstrumentReference, Market
from candleray.simulator.stream_dialect import Candle, Cut, KlineFrame
from candleray.timeframes import MINUTE_MS

Act = Literal["", "cut", "reset", "mute", "farewell", "bad_json", "half_frame", "binary", "huge"]
"""Treatment of every open connection of the market when the fault begins."""
Look: TypeAlias = Callable[[int], Candle | None]
"""A look at an undisturbed minute."""


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault; `number` is its place in the table of what ingestion must survive, in the docs.

    Frames reach `change_frames` where their minute lies within the fault: whole minutes, of its symbol where it
    has one. `change_rows` gets any rows, the venue's time and a look at undisturbed minutes. `change_listing` gets
    the listing while the fault lasts.
    """

    name: str
    number: int
    says: str
    lasts_ms: int = MINUTE_MS
    exchanges: tuple[str, ...] = ()
    """The only exchanges that have it; none: all of them."""
    market_names: tuple[str, ...] = ()
    """The only markets that have it, where it is not all of the exchanges."""
    is_of_symbol: bool = False
    variants: int = 1
    change_frames: Callable[[Fault, list[KlineFrame]], list[KlineFrame]] | None = None
    change_rows: Callable[[Fault, CandleRows, int, Look], CandleRows] | None = None
    change_listing: Callable[[Fault, list[InstrumentReference]], list[InstrumentReference]] | None = None
    act: Callable[[Fault], Act] | None = None
    cut: Cut = field(default=Cut(1001, "Going away"))
    further: Callable[[Fault], int] = lambda _: 0
    """Connections that meet the act as well, each soon after it subscribed."""
    mutes_new: bool = False
    """Connections that open meanwhile are acknowledged and never hear a candle."""
    refuses_handshakes: bool = False
    refuses_topic: bool = False
    refuse: Callable[[Fault, int, int], Failure | str] | None = None
    """The refusal of the nth request at a time; a text is an HTML page."""
    clock_off_ms: Callable[[Fault], int] = lambda _: 0
    is_forming_shown: bool = False
    """Pages of candles run on to the minute under way, whatever end was asked for."""

    def is_at(self, market: Market) -> bool:
        if self.market_names:
            return market.name in self.market_names
        return not self.exchanges or market.exchange in self.exchanges


@dataclass(frozen=True, eq=False)
class Fault:
    """One of a kind. A fault of candles concerns the minutes that open in `[start, end)`, rounded down."""

    kind: FaultKind
    market: Market
    symbol: str | None
    start_ms: int
    lasts_ms: int
    variant: int = 0
    number: int = 0

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.lasts_ms

    @property
    def first_minute_ms(self) -> int:
        return self.start_ms // MINUTE_MS * MINUTE_MS

    @property
    def end_minute_ms(self) -> int:
        """The first minute behind it; it has one minute at least."""
        return max(self.first_minute_ms + MINUTE_MS, self.end_ms // MINUTE_MS * MINUTE_MS)

    def has_minute(self, ts_open_ms: int) -> bool:
        return self.first_minute_ms <= ts_open_ms < self.end_minute_ms

    def is_on(self, now_ms: int) -> bool:
        return self.start_ms <= now_ms < self.end_ms

    def concerns(self, symbol: str) -> bool:
        return self.symbol is None or self.symbol == symbol


Kinds: TypeAlias = Mapping[str, FaultKind]


@cache
def fault_kinds() -> Kinds:
    """Every kind that a module of this folder declares, by name, in order of the table."""
    modules = [import_module(f"{__package__}.{file.name}") for file in iter_modules([str(Path(__file__).parent)])]
    kinds = {
        each.name: each for module in modules for each in vars(module).values() if isinstance(each, FaultKind)
    }
    return dict(sorted(kinds.items(), key=lambda pair: (pair[1].number, pair[0])))


def find_kind(name: str) -> FaultKind:
    """
    Raises:
        NotFound: with the nearest name.
    """
    kinds = fault_kinds()
    if name not in kinds:
        raise NotFound(f"unknown fault {name!r}; {nearest(name, tuple(kinds))}")
    return kinds[name]
