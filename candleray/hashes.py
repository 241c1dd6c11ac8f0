"""Canonical JSON and the hashes that name requests, strategies and data."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candleray.candles import Candles


def canonical_json(content: Any) -> bytes:
    """One spelling for one content: sorted keys, no white space, shortest round-trip floats, `1.0` as `1`.

    Raises:
        ValueError: for NaN and infinity, which JSON cannot say.
    """
    return json.dumps(
        _plain(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _plain(content: Any) -> Any:
    if type(content) is str:  # most of it
        return content
    # A number is one number however it was typed: 5, 5.0 and 5e0 hash alike.
    if isinstance(content, float) and content.is_integer() and abs(content) < 2**53:
        return int(content)
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return content


def content_hash(content: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def candles_hash(candles: Candles) -> str:
    """SHA-256 over the stamps and the values, in hex: names the data a result was made from."""
    return arrays_hash(candles.ts_open_ms, *candles.values)


def arrays_hash(*arrays: NDArray[Any]) -> str:
    """SHA-256 over contiguous arrays, one after the other, in hex."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.data.cast("B"))
    return digest.hexdigest()
