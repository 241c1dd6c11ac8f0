"""Words and models of the versions of a candle."""

from __future__ import annotations

from typing import Literal, TypeAlias

CandleSourceWord: TypeAlias = Literal["websocket", "rest", "file", "api"]
"""The bringer of a row: an exchange's stream or its REST, a file that somebody imported, or a call of the API.

Rows that were written before sources were kept, or that raw got back from canonical, say `unknown`.
"""

SentSourceWord: TypeAlias = Literal["file", "rest", "api"]
"""The words for rows that are sent to the API: its sender has read them from files or REST, or does not say."""
