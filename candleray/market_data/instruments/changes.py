"""Changes of what exchanges say of their instruments: found between two descriptions, and told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal

from candleray.errors import ExchangeError
from candleray.markets import Instrument, InstrumentReference, Market
from candleray.timeframes import Moment, iso, to_ms
from candleray.validation import Model

ChangeKind = Literal[
    "listed", "delisted", "status", "is_tradable", "price_tick", "quantity_step", "min_notional", "listed_at"
]
_FIELDS: tuple[ChangeKind, ...] = (
    "status",
    "is_tradable",
    "price_tick",
    "quantity_step",
    "min_notional",
    "listed_at",
)

_FEW = 10
"""So many may vanish from a market at once, whatever its size."""


class InstrumentChange(Instrument):
    """One thing that an exchange says otherwise than before; a new name is one `delisted` and one `listed`."""

    kind: ChangeKind
    before: str | None
    after: str | None
    at: Moment
    """The moment since when we know."""


class ListingReport(Model):
    """A market's instruments as its exchange has just listed them, against what was stored."""

    market_id: int
    listed: int
    """Number of instruments in the list."""
    written: int
    """Number of those that were new or had changed."""
    changes: dict[ChangeKind, int]
    """Number of changes of each kind; none while a market's first list is read."""

    def changes_text(self) -> str:
        """Tell them in words, such as `1 delisted, 3 listed`; nothing where nothing has changed."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.changes.items()))


def changes_between(
    before: InstrumentReference | None, after: InstrumentReference
) -> Iterator[tuple[ChangeKind, str | None, str | None]]:
    """Kind, old and new value of each change; to learn what was not known before is none."""
    if before is None:
        yield "listed", None, after.status or None
        return
    if after.delisted_at and not before.delisted_at:
        yield "delisted", before.status or None, None
        return
    if before.delisted_at and not after.delisted_at:
        yield "listed", None, after.status or None
        before = before.model_copy(update={"is_tradable": after.is_tradable})  # untradable by its absence alone
    for name in _FIELDS:
        old, new = _text(getattr(before, name)), _text(getattr(after, name))
        if old is not None and old != new:
            yield name, old, new


def with_vanished(
    market: Market,
    listed: Iterable[InstrumentReference],
    stored: Mapping[str, InstrumentReference],
    now: datetime,
    may_shrink: bool,
) -> list[InstrumentReference]:
    """The list, and those of the stored ones that it lacks as no longer tradable.

    Raises:
        ExchangeError: it lacks most of them, as a list that is cut or another market's would.
    """
    found = list(listed)
    known = {symbol: one for symbol, one in stored.items() if not one.delisted_at}
    symbols = {reference.symbol for reference in found}
    gone = [one for symbol, one in known.items() if symbol not in symbols]
    if not may_shrink and (not found or len(gone) > max(_FEW, len(known) // 2)):
        raise ExchangeError(
            f"{market.name} lists {len(found)} instruments and lacks {len(gone)} of the {len(known)} known ones; "
            f"nothing is changed, since more than half at once is rather a fault than a delisting: "
            f"candleray instruments refresh --market {market.name} --may-shrink takes the list as it is"
        )
    return found + [one.model_copy(update={"is_tradable": False, "delisted_at": now}) for one in gone]


def _text(value: object) -> str | None:
    """A value as a change tells it; None for what is not known."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(to_ms(value))
    return f"{value:.12g}" if isinstance(value, float) else str(value or "") or None
