"""Reports of a job as they are kept: in blocks of many, compressed together, each being much like the next."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

REPORTS_PER_BLOCK = 200

REPORT_BYTES = 600
"""Bytes that one report may take in a block; 250 to 450 were measured, of 1,900 before."""


def packed(reports: Sequence[str]) -> list[tuple[int, bytes]]:
    """The blocks of reports in order of their ranks, each with its first rank."""
    return [
        (first + 1, zlib.compress("\n".join(reports[first : first + REPORTS_PER_BLOCK]).encode(), 6))
        for first in range(0, len(reports), REPORTS_PER_BLOCK)
    ]


def unpacked(blocks: Iterable[bytes]) -> Iterator[str]:
    """The reports as they went in."""
    for block in blocks:
        yield from zlib.decompress(block).decode().split("\n")
