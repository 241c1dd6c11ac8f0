"""Thousands of secrets looked for in a hundred megabytes at once: in the clear, in base64, in hexadecimal."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

TAIL = 8
"""Bytes of each secret's end that are compared first, all secrets at once; nothing shorter is found."""

_BITS = 22
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 1 << 22


class SecretSearch:
    def __init__(self, secrets: Iterable[str]) -> None:
        self._by_tail: dict[bytes, list[tuple[bytes, str]]] = defaultdict(list)
        for secret in secrets:
            for spelled in _spellings(secret):
                self._by_tail[spelled[-TAIL:]].append((spelled, secret))
        self._known = np.zeros(1 << _BITS, bool)
        if self._by_tail:
            self._known[_slots(_windows(b"".join(self._by_tail))[::TAIL])] = True

    def found(self, content: bytes) -> Iterator[tuple[str, int]]:
        """Each secret that stands there, with the position of its end."""
        for first in range(0, len(content), _CHUNK):
            chunk = content[first : first + _CHUNK + TAIL - 1]
            if len(chunk) < TAIL:
                return
            for at in np.flatnonzero(self._known[_slots(_windows(chunk))]):
                end = first + int(at) + TAIL
                for spelled, secret in self._by_tail.get(content[end - TAIL : end], ()):
                    if content[max(0, end - len(spelled)) : end] == spelled:
                        yield secret, end


def _spellings(secret: str) -> set[bytes]:
    plain = secret.encode("utf-8", "surrogatepass")
    spelled = {plain, plain.hex().encode(), base64.b64encode(plain), base64.urlsafe_b64encode(plain)}
    return {one.rstrip(b"=") for one in spelled if len(one.rstrip(b"=")) >= TAIL}


def _windows(content: bytes) -> Any:
    """The eight bytes from each position on, as one number."""
    single = np.frombuffer(content, np.uint8).astype(np.uint64)
    last = len(single) - TAIL + 1
    windows = single[:last].copy()
    for offset in range(1, TAIL):
        windows |= single[offset : last + offset] << np.uint64(8 * offset)
    return windows


def _slots(windows: Any) -> Any:
    return (windows * _SPREAD) >> np.uint64(64 - _BITS)
