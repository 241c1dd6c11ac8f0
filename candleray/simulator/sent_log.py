"""The log of what a simulator sent: closed candles, and what happened to connections."""

from __future__ import annotations

import json
from collections import deque
from itertools import islice
from pathlib import Path
from typing import IO, Any

_MOST_KEPT = 200_000


class SentLog:
    """Numbered entries, the newest in memory; with a file also all of them as lines of JSON, each at once."""

    def __init__(self, file: Path | None = None) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=_MOST_KEPT)
        self._file: IO[str] | None = file.open("a", encoding="utf-8", buffering=1) if file else None
        self.count = 0

    def add(self, event: str, at_ms: int, market: str, **details: Any) -> None:
        self.count += 1
        entry = {"number": self.count, "event": event, "at_ms": at_ms, "market": market, **details}
        self._entries.append(entry)
        if self._file:
            self._file.write(json.dumps(entry) + "\n")

    def since(self, number: int, limit: int) -> list[dict[str, Any]]:
        """The entries behind that number, the oldest first."""
        first_kept = self.count - len(self._entries)
        return list(islice(self._entries, max(0, number - first_kept), max(0, number - first_kept) + limit))

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
