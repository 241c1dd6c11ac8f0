"""Services that the settings name by URL: whether something listens there, and how they may be shown."""

from __future__ import annotations

import socket
from urllib.parse import parse_qs, urlsplit

import psutil
from pydantic import SecretStr

from candleray.errors import InstanceError, ServiceUnavailable, first_line
from candleray.settings import ServiceSettings

CONNECT_TIMEOUT_S = 5.0
DEFAULT_PORTS = {"http": 8123, "https": 8443, "postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379}


def require_common_services(services: ServiceSettings) -> None:
    """
    Raises:
        InstanceError: Ray is to run on other machines, which cannot reach what is embedded in this one.
    """
    if services.ray_address is None or _is_here(services.ray_address.rpartition(":")[0]):
        return
    given = {name: getattr(services, name) for name in ("clickhouse_url", "postgres_url", "redis_url")}
    if missing := [name for name, url in given.items() if url is None]:
        raise InstanceError(
            f"the Ray cluster {services.ray_address} is on another machine and cannot reach services embedded in "
            f"this one: set services.{', services.'.join(missing)}"
        )


def _is_here(host: str) -> bool:
    here = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    try:
        return bool(here & {str(found[4][0]) for found in socket.getaddrinfo(host, None)})
    except OSError:
        return False


def require_reachable(url: SecretStr, setting: str) -> str:
    """Return the service's address without user and password; only the drivers can tell more than that it listens.

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
        raise ServiceUnavailable(f"services.{setting}: nothing answers at {place} ({first_line(exc)})") from exc
    return place
