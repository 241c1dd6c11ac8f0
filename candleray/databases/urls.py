"""URLs of services: checked before a driver sees them, and shown without user and password."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from candleray.errors import invalid


def split_url(url: str, field: str, schemes: Collection[str]) -> SplitResult:
    """Split a service URL. Drivers get only what passed here, because their errors quote the whole URL.

    Raises:
        InvalidInput: for another scheme or a port that is not a number.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # Without the cause: its text may hold a part of the password.
        raise invalid(
            field, "bad_url", f"{field} is not a URL: special characters need percent-encoding"
        ) from None
    if parts.scheme not in schemes:
        raise invalid(
            field, "bad_url", f"{field} begins with {parts.scheme!r}; allowed: {', '.join(sorted(schemes))}"
        )
    return parts


def without_credentials(parts: SplitResult) -> str:
    """`scheme://host:port/path`, as messages may show it."""
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"
