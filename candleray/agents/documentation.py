"""Pages of the documentation, as an assistant reads them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from candleray.errors import NotFound, nearest

_INSTALLED = Path(__file__).with_name("pages")
_CHECKOUT = Path(__file__).parents[2] / "docs"


@cache
def pages() -> Mapping[str, Path]:
    """Every page by its name, such as `howto/write-a-request`."""
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return {str(path.relative_to(folder).with_suffix("")): path for path in sorted(folder.rglob("*.md"))}


def title_of(name: str) -> str:
    """The heading of a page."""
    with page_named(name).open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()


def page_named(name: str) -> Path:
    """
    Raises:
        NotFound: with the nearest name.
    """
    if name not in pages():
        raise NotFound(f"the documentation has no page {name[:80]!r}; {nearest(name, list(pages()))}")
    return pages()[name]
