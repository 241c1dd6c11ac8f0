"""Answers that are no JSON, said in one line: the page of a gateway, a firewall or a proxy."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

EXCERPT = 160
_MOST_HEADER = 40
_MOST_READ = 20_000

_UNSEEN = re.compile(r"<!--.*?(?:-->|$)|<(script|style)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)(?:</title\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[/!?a-zA-Z][^>]*(?:>|$)")
_TELLING = (
    "server",
    "via",
    "x-cache",
    "x-amzn-waf-action",
    "cf-mitigated",
    "cf-ray",
    "x-amz-cf-pop",
    "retry-after",
)
"""Headers by which content networks and firewalls say who they are and why they refuse."""


def page_in_words(text: str) -> str:
    """A page's title and text without tags, cut to one line."""
    seen = _UNSEEN.sub(" ", text[:_MOST_READ])
    if "<" not in seen:
        return _line(seen, EXCERPT)
    title = _TITLE.search(seen)
    body = _line(_TAG.sub(" ", _TITLE.sub(" ", seen)), EXCERPT)
    named = _line(_TAG.sub(" ", title[1]), EXCERPT) if title else ""
    return named if not body or body == named else f"{named}: {body}" if named else body


def telling_headers(headers: Mapping[str, str]) -> str:
    """` (server: CloudFront, …)`, or nothing."""
    named = {name.lower(): value for name, value in headers.items()}
    said = [f"{name}: {_line(named[name], _MOST_HEADER)}" for name in _TELLING if named.get(name)]
    return f" ({', '.join(said)})" if said else ""


def _line(text: str, most: int) -> str:
    plain = " ".join(html.unescape(text).split())
    visible = "".join(character if character.isprintable() else "?" for character in plain)
    return visible if len(visible) <= most else visible[: most - 1] + "…"
