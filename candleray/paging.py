"""Lists in pages: the cursors that the API gives out, and all pages of a list as one.

A cursor is the last entry of a page in a list from the newest to the oldest. It stays right whatever is added
meanwhile.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

from candleray.errors import invalid

CURSOR_PATTERN = r"^[A-Za-z0-9_-]{32}$"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = struct.Struct(">q16s")

T = TypeVar("T")


class PagePosition(NamedTuple):
    """The last entry of a page; the next page begins after it."""

    created_at: datetime
    entry_id: UUID


def cursor_of(position: PagePosition) -> str:
    microseconds = (position.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_CURSOR.pack(microseconds, position.entry_id.bytes)).decode()


def position_of(cursor: str) -> PagePosition:
    """Raises InvalidInput where no list has made that cursor."""
    try:
        microseconds, entry_id = _CURSOR.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True))
        return PagePosition(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=entry_id))
    except (ValueError, OverflowError, struct.error):
        raise invalid("cursor", "not_a_cursor", "cursor: not a cursor that a page has named") from None


def collected(
    read_page: Callable[[int, str | None], tuple[Sequence[T], str | None]], limit: int | None, page_size: int
) -> list[T]:
    """The first `limit` entries of a list, or all of them.

    Args:
        read_page: takes a size and a cursor, returns the entries and the next cursor.
        page_size: the largest page that is asked for.
    """
    entries: list[T] = []
    cursor: str | None = None
    while limit is None or len(entries) < limit:
        size = page_size if limit is None else min(page_size, limit - len(entries))
        page, cursor = read_page(size, cursor)
        entries += page
        if cursor is None:
            break
    return entries
