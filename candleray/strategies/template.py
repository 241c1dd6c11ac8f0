"""Templates of strategies: ideas that every trader knows, each a file of its own beside this one."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from candleray.errors import NotFound, nearest
from candleray.frozen_model import FrozenModel

_FOLDER = Path(__file__).parent / "templates"
_LINE = 110
"""Columns that JSON for readers is kept within."""


class Template(FrozenModel):
    """An idea in words, and the request that says it."""

    name: str
    title: str
    sentence: str
    request: dict[str, Any]

    @property
    def json_text(self) -> str:
        """The request as JSON that a person reads."""
        return readable_json(self.request)


@cache
def templates() -> dict[str, Template]:
    """Return every template by its name, sorted."""
    return {
        file.stem: Template.model_validate({"name": file.stem, **json.loads(file.read_text())})
        for file in sorted(_FOLDER.glob("*.json"))
    }


def find_template(name: str) -> Template:
    """Return one by its name.

    Raises:
        NotFound: with the nearest name.
    """
    known = templates()
    if name not in known:
        raise NotFound(f"no template {name[:40]!r}; {nearest(name, list(known))}")
    return known[name]


def readable_json(value: Any, indent: int = 0, used: int = 0) -> str:
    """Return JSON in which what fits on a line stands on one.

    Args:
        used: columns of the line that are taken before it, and after it.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if indent + used + len(flat) <= _LINE or not isinstance(value, dict | list) or not value:
        return flat
    inner = indent + 2
    if isinstance(value, dict):
        keys = {key: f"{json.dumps(key, ensure_ascii=False)}: " for key in value}
        parts = [keys[key] + readable_json(part, inner, len(keys[key]) + 1) for key, part in value.items()]
    else:
        parts = [readable_json(part, inner, 1) for part in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    lines = (",\n" + " " * inner).join(parts)
    return f"{opening}\n{' ' * inner}{lines}\n{' ' * indent}{closing}"
