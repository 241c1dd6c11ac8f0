"""Files of the web page: read and compressed once, named by the hash of them all.

The page's own imports are relative, so that every file of one version is asked for under that version's address:
an upgrade never mixes old files with new ones.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "page"
INDEX = "index.html"
ADDRESS = "{page}"
"""Stands in the index for the address of this version's files."""

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""A table of ours: the machine's own calls modules plain text on some, and browsers run none of those."""

SERVED = (INDEX, "style.css", "icon.svg", "*.js", "screens/*.js", "parts/*.js", "model/*.js", "vendor/**/*.*")
NOT_SERVED = frozenset({".ts", ".lock"})

POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "connect-src", "worker-src", "manifest-src")),
        "img-src 'self' data:",
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
        "require-trusted-types-for 'script'",
        "trusted-types page",
    )
)
"""Nothing from elsewhere, nothing inline, no text that becomes markup or a script."""


class PageFile(NamedTuple):
    media_type: str
    plain: bytes
    gzipped: bytes


class Page(NamedTuple):
    version: str
    """The hash of every file."""
    start: PageFile
    """The index, which names the others."""
    files: Mapping[str, PageFile]
    """Each by its path below the address of the version."""


@cache
def page() -> Page:
    """The page of this build; its files do not change while the process lives."""
    contents = dict(_contents(FOLDER))
    version = _hash_of(contents)
    index = contents.pop(INDEX).replace(ADDRESS.encode(), f"/page/{version}".encode())
    files = {name: _file(name, content) for name, content in contents.items()}
    return Page(version, _file(INDEX, index), files)


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    paths = {path for pattern in SERVED for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(paths):
        if path.suffix not in NOT_SERVED:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _hash_of(contents: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, content in contents.items():
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:16]


def _file(name: str, content: bytes) -> PageFile:
    return PageFile(MEDIA_TYPES[Path(name).suffix], content, gzip.compress(content, 9, mtime=0))
