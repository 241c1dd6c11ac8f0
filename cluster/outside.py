"""Services that the settings name by URL: whether something listens there, and how they may be shown."""

from __future__ import annotations

import socket
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from candleray.errors import ServiceUnavailable

CONNECT_TIMEOUT_S = 5.0
DEFAULT_PORTS = {"http": 8123, "https": 8443, "postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379}


def require_reachable(url: SecretStr, setting: str) -> str:
    """Where the service is, without user and password; only the drivers can tell more than that it listens.

    Raises:
        ServiceUnavailable: nothing listens there.
    """
    parts = urlsplit(url.get_secret_value())
    if not parts.hostname:
        return parse_qs(parts.query).get("host", [parts.path])[0]
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    place = f"{parts.hostname}:{port}"
    try:
        socket.create_connection((parts.hostname, port), CONNECT_TIMEOUT_S).close()
    except OSError as exc:
        raise ServiceUnavailable(f"services.{setting}: nothing answers at {place} ({exc})") from exc
    return place
