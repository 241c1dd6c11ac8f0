"""Reading of streams without a group: whoever reads knows how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from candleray.databases.valkey import StreamEntry, Valkey


async def entries_after(valkey: Valkey, after: Mapping[str, str], count: int, wait_s: float) -> list[StreamEntry]:
    """The first entries of each stream behind an id; where there are none, those that come within the wait.

    Raises:
        ServiceUnavailable: Valkey does not answer.
    """
    async with valkey.answering() as client:
        streams: dict[Any, Any] = dict(after)
        told = await client.xread(streams, count=count, block=max(1, round(wait_s * 1000)))
    return entries_in(told)


def entries_in(told: Any) -> list[StreamEntry]:
    """Replies of either protocol: RESP3 tells a map of streams, RESP2 a list of pairs.

    An entry that a group has read and the stream has trimmed since comes without fields.
    """
    streams = told.items() if isinstance(told, dict) else told or ()
    return [
        StreamEntry(_text(stream), _text(entry_id), _fields(fields))
        for stream, entries in streams
        for entry_id, fields in _flat(entries)
    ]


def _fields(told: Any) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in (told or {}).items()}


def _flat(entries: Any) -> list[tuple[Any, Mapping[Any, Any]]]:
    """RESP3 wraps the entries of a stream in one more list."""
    is_nested = bool(entries) and (not entries[0] or isinstance(entries[0][0], list | tuple))
    found: list[tuple[Any, Mapping[Any, Any]]] = entries[0] if is_nested else entries
    return found


def _text(told: Any) -> str:
    return told.decode() if isinstance(told, bytes) else str(told)
