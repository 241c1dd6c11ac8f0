"""Rules of ours in Serve's HAProxy: deadlines, connections an address, and whose word counts about an address.

Serve writes HAProxy's configuration anew whenever replicas change, and has no setting for these. It starts what
`RAY_SERVE_HAPROXY_BINARY_PATH` names: `haproxy.sh`, which runs this file as a program. It adds the rules to the
configuration that was just written, and becomes HAProxy. It runs apart from the packages, with the standard
library alone; where Serve's configuration is not as known, it ends with words instead of serving without rules.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

PEER_HEADER = "X-Candleray-Peer"
"""Header by which HAProxy proves itself and tells the caller's address: `<key> <address>`."""

PROBE = "probe.sock"
"""Socket in the rules' folder by which the supervisor asks."""

LOCAL = ("127.0.0.1", "::1")
"""Callers without a limit of connections: on this machine is whoever fronts us."""

STALLED_S = 60
"""Seconds for which a caller may neither take nor send anything while it is his turn."""

_FRONTEND = re.compile(r"^frontend http_frontend\n    bind (?P<bind>\S+)(?=\n)", re.MULTILINE)
_BACKEND = re.compile(r"^backend (http-\S+)$", re.MULTILINE)


def with_rules(config: str, rules: Mapping[str, Any]) -> str:
    """Serve's configuration under our rules.

    Raises:
        ValueError: it has no frontend as Serve writes it.
    """
    frontend = _FRONTEND.search(config)
    if frontend is None:
        raise ValueError(
            "Serve's HAProxy configuration has no http_frontend with one bind: is Ray of another version?"
        )
    found = _BACKEND.search(config)
    backend = found and found.group(1)
    head, tail = config[: frontend.end()], config[frontend.end() + 1 :]
    # Requests of HTTP/2 would share a connection, a hundred at once: limits count connections.
    return f"{head} proto h1\n{_lines(_public(rules, backend))}{tail}\n{_lines(_probe(rules, backend), '')}"


def _public(rules: Mapping[str, Any], backend: str | None) -> list[str]:
    believed = " ".join(rules["proxies"])
    unlimited = " ".join((*LOCAL, *rules["proxies"]))
    return [
        f"maxconn {rules['max_connections']}",
        f"timeout client {STALLED_S}s",
        # A replica hears of a request once its headers and all of a small body are there, within this time.
        f"timeout http-request {rules['request_timeout_s']:g}s",
        "option http-buffer-request",
        "stick-table type ipv6 size 100k expire 60s store conn_cur",
        "tcp-request connection track-sc0 src",
        f"tcp-request connection reject if {{ sc0_conn_cur gt {rules['max_connections_per_address']} }} "
        f"!{{ src {unlimited} }}",
        *(
            f"http-request del-header {name}" + (f" unless {{ src {believed} }}" if believed else "")
            for name in rules["address_headers"]
        ),
        *_told(rules),
        *(f"errorfile {status} {_error_file(rules, status)}" for status in ERRORS),
        *_safe_headers(rules["headers"]),
        "http-request deny deny_status 400 unless { path_beg / }",
        *([] if backend else ["http-request deny deny_status 503 unless { path_beg /-/ }"]),
    ]


def _told(rules: Mapping[str, Any]) -> list[str]:
    return [f'http-request set-header {PEER_HEADER} "{rules["key"]} %[src]"']


def _probe(rules: Mapping[str, Any], backend: str | None) -> list[str]:
    """The door of the supervisor: no public connection waits before it."""
    served = f"default_backend {backend}" if backend else "http-request return status 503"
    lines = ["mode http", f"bind unix@{rules['folder']}/{PROBE} mode 600", "maxconn 16", *_told(rules), served]
    return ["frontend probe", *(f"    {line}" for line in lines)]


ERRORS = {
    400: ("Bad Request", "invalid_input", "the request cannot be read"),
    408: (
        "Request Timeout",
        "request_timeout",
        "the request did not arrive in time: send it whole, without pauses",
    ),
    500: ("Internal Server Error", "internal", "the server failed on this request"),
    502: ("Bad Gateway", "service_unavailable", "the API broke off its answer; try again"),
    503: ("Service Unavailable", "service_unavailable", "no replica of the API is ready; try again"),
    504: ("Gateway Timeout", "service_unavailable", "the API did not answer in time; try again"),
}
"""Answers of HAProxy itself, in the one shape that every failure has: reason, code and message by status."""
AGAIN = (408, 502, 503, 504)
"""Statuses that say when to try again."""


def _error_file(rules: Mapping[str, Any], status: int) -> str:
    return f"{rules['folder']}/{status}.http"


def error_answer(status: int, own_headers: Mapping[str, str]) -> str:
    """The whole answer, as HAProxy sends it: where it understands no request, it sets no header of its own."""
    reason, code, message = ERRORS[status]
    body = json.dumps({"error": {"code": code, "message": message, "problems": []}}, separators=(",", ":"))
    headers = {"Content-Type": "application/json", "Content-Length": len(body), "Cache-Control": "no-store"}
    headers |= {**own_headers, **({"Retry-After": 1} if status in AGAIN else {}), "Connection": "close"}
    lines = (f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items()), "", body)
    return "\r\n".join(lines)


def _safe_headers(headers: Mapping[str, str]) -> Iterable[str]:
    for name, value in headers.items():
        found = f"{{ res.hdr({name}) -m found }}"
        yield f'http-after-response set-header {name} "{value}" unless {found}'


SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer, unless it has its own: nothing of ours is a page's part, a frame or a script."""


def _lines(lines: Iterable[str], indent: str = "    ") -> str:
    return "".join(f"{indent}{line}\n" for line in lines)


def _write(path: str, text: str) -> None:
    with os.fdopen(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


def main(haproxy: str, rules_file: str, *arguments: str) -> None:
    config_file = arguments[arguments.index("-f") + 1]
    with open(rules_file) as file:
        rules = json.load(file)
    with open(config_file) as file:
        config = with_rules(file.read(), rules)
    for status in ERRORS:
        _write(_error_file(rules, status), error_answer(status, rules["headers"]))
    _write(config_file, config)
    os.execv(haproxy, [haproxy, *arguments])  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
