"""Cursors of lists ordered from the newest to the oldest: opaque, and true whatever is added meanwhile."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from candleray.errors import invalid

CURSOR_PATTERN = r"^[A-Za-z0-9_-]{32}$"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = struct.Struct(">q16s")


class Position(NamedTuple):
    """The last entry of a page; the next page begins after it."""

    created_at: datetime
    entry_id: UUID


def cursor_of(position: Position) -> str:
    microseconds = (position.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_POSITION.pack(microseconds, position.entry_id.bytes)).decode()


def position_of(cursor: str) -> Position:
    """Raises InvalidInput where no list has made that cursor."""
    try:
        microseconds, entry_id = _POSITION.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True))
        return Position(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=entry_id))
    except (ValueError, OverflowError, struct.error):
        raise invalid("cursor", "not_a_cursor", "cursor: not a cursor that a page has named") from None
