"""Checks of settings that several sections share: markets by their names, and addresses."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from pydantic import AfterValidator

from candleray.errors import nearest
from candleray.markets import MARKET_NAMES


def of_known_markets(named: dict[str, Any]) -> dict[str, Any]:
    for market in named:
        if market not in MARKET_NAMES:
            raise ValueError(f"{market[:40]!r} is no market; {nearest(market, MARKET_NAMES)}")
    return named


def addresses(example: str, *schemes: str) -> AfterValidator:
    """A check of addresses by market, which begin with one of these schemes; a slash at the end is cut off."""

    def checked(urls: dict[str, str]) -> dict[str, str]:
        for market, url in urls.items():
            if not _is_url(url, schemes):
                raise ValueError(f"the address of {market} is {url[:80]!r}, which is none like {example}")
        return {market: url.rstrip("/") for market, url in urls.items()}

    return AfterValidator(checked)


def http_address(url: str) -> str:
    if not _is_url(url, ("http", "https")):
        raise ValueError(f"the address is {url[:80]!r}, which is none like https://host:port")
    return url.rstrip("/")


def _is_url(url: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
