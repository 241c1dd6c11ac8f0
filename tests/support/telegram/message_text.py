"""The text of a message as Telegram shows it: its HTML read, its length counted in units of UTF-16."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"</?b>")


class CannotParse(Exception):
    """The text is no HTML that Telegram takes."""


def shown(text: str, parse_mode: str | None) -> str:
    if parse_mode is None:
        return text
    bare = _TAG.sub("", text)
    if text.count("<b>") != text.count("</b>") or "<" in bare or ">" in bare:
        raise CannotParse("unsupported start tag")
    if re.search(r"&(?!(amp|lt|gt|quot);)", bare):
        raise CannotParse("unescaped &")
    return html.unescape(bare)


def length_of(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
