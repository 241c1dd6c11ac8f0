"""HTTP clients: this machine is asked directly; what the environment makes unusable is named by its variable."""

from __future__ import annotations

import asyncio
import http.server
import re
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from candleray import Client, InvalidInput, ServiceUnavailable
from candleray.errors import CandlerayError, ExchangeError
from candleray.exchanges.discovery import exchange_of
from candleray.exchanges.rest import RestClient
from candleray.markets import MARKETS
from candleray.network.clients import failure_in_words
from candleray.network.own_addresses import ask_directly, direct_variables, is_own, own_hosts
from candleray.sdk import connection
from candleray.settings import ROOT, HistorySettings

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
PASSWORD = "pass/word"
REMOTE = "http://candles.example"


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> pytest.MonkeyPatch:
    for name in (*VARIABLES, *map(str.upper, VARIABLES), *CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connection, "RETRY_DELAYS_S", ())
    return monkeypatch


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


async def server_time(url: str) -> object:
    config = HistorySettings(base_urls={"binance-spot": url}, max_attempts=1, timeout_s=10)
    market = MARKETS[1]
    exchange = exchange_of(market)
    async with RestClient(config) as rest:
        return await rest.get(exchange, market, exchange.server_time_request(market), lambda content: content)


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense://x", "http://["])
def test_this_machine_is_asked_directly_whatever_proxy_the_environment_names(environment, port, variable, proxy):
    environment.setenv(variable, proxy)
    for host in ("127.0.0.1", "localhost"):
        with Client(f"http://{host}:{port}", token="t") as client:
            client.health()
        assert asyncio.run(server_time(f"http://{host}:{port}")) == {}


UNUSABLE = {
    "ALL_PROXY": f"socks5://user:{PASSWORD}@proxy:1080",
    "all_proxy": f"socks5://user:{PASSWORD}@proxy:1080",
    "HTTPS_PROXY": f"http://user:{PASSWORD}@proxy:port",
    "http_proxy": f"gopher://user:{PASSWORD}@proxy",
    "https_proxy": f"http://user:{PASSWORD}@",
    "SSL_CERT_FILE": "/no/such/file.pem",
    "SSL_CERT_DIR": "/no/such/folder",
    "SSLKEYLOGFILE": "/no/such/folder/keys",
}


def open_client() -> None:
    Client(REMOTE, token="t").close()


def ask_exchange() -> None:
    asyncio.run(server_time(REMOTE))


@pytest.mark.parametrize("use", [open_client, ask_exchange])
@pytest.mark.parametrize("variable", UNUSABLE)
def test_what_cannot_be_used_is_an_error_that_names_the_variable_and_no_password(environment, variable, use):
    environment.setenv(variable, UNUSABLE[variable])
    with pytest.raises(InvalidInput) as caught:
        use()
    assert f"the environment's {variable} " in caught.value.message
    assert "unset it" in caught.value.message
    for part in ("pass", "word", "user:"):
        assert part not in caught.value.message


def test_a_file_of_certificates_that_holds_none_is_named(environment, tmp_path):
    file = tmp_path / "empty.pem"
    file.write_text("no certificate")
    environment.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(InvalidInput, match=r"SSL_CERT_FILE names '.*empty\.pem': it holds no certificates"):
        open_client()


def test_who_cannot_be_asked_by_a_proxy_is_told_by_which_and_no_password(environment):
    environment.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    for use, kind in (
        (lambda: Client(REMOTE, token="t").health(), ServiceUnavailable),
        (ask_exchange, ExchangeError),
    ):
        with pytest.raises(kind, match=r"by the proxy 127\.0\.0\.1:9 of http_proxy") as caught:
            use()
        assert "secret" not in caught.value.message


def test_a_host_listed_to_be_asked_directly_is_not_said_to_be_asked_by_a_proxy(environment):
    environment.setenv("http_proxy", "http://127.0.0.1:9")
    environment.setenv("no_proxy", "candles.example")
    assert "proxy" not in failure_in_words(httpx.ConnectError("refused"), httpx.URL(REMOTE))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "api.localhost",
        "127.0.0.1",
        "127.8.9.10",
        "[::1]",
        "0.0.0.0",
        socket.gethostname(),
    ],
)
def test_names_and_addresses_of_this_machine(host):
    assert is_own(host)


@pytest.mark.parametrize("host", ["api.binance.com", "localhost.example", "192.0.2.1", "127.0.0.1.nip.io", ""])
def test_others_are_not_this_machine(host):
    assert not is_own(host)


def test_children_are_told_in_both_spellings_whom_to_ask_directly_besides_what_was_listed():
    told = direct_variables({"NO_PROXY": "one.example, 127.0.0.1", "no_proxy": "two.example"}, ["node.example"])
    assert told["NO_PROXY"] == told["no_proxy"]
    listed = told["NO_PROXY"].split(",")
    assert set(listed) >= {"one.example", "two.example", "node.example", *own_hosts()}
    assert len(listed) == len(set(listed))
    assert direct_variables(told) == told
    environment = {"HTTP_PROXY": "http://proxy"}
    ask_directly("node.example", environment)
    assert "node.example" in environment["no_proxy"].split(",")


TOKEN_LINE = "crt_" + "a" * 43


@pytest.mark.parametrize(
    "error",
    [
        httpx.LocalProtocolError(f"Illegal header value b'Bearer {TOKEN_LINE}'"),
        httpx.RemoteProtocolError(f"illegal status line: bytearray(b'{TOKEN_LINE}')"),
        httpx.DecodingError(f"Error -3 while decompressing {TOKEN_LINE}"),
    ],
)
def test_the_text_of_a_protocol_error_is_never_quoted(error):
    def refuse(_: httpx.Request) -> httpx.Response:
        raise error

    client = Client("http://api", token="t", transport=httpx.MockTransport(refuse))
    with pytest.raises(CandlerayError) as caught:
        client.health()
    assert TOKEN_LINE not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("value", ["schlüssel", "two\nlines", "币"])
def test_a_header_that_cannot_be_sent_is_an_error_of_ours_without_its_text(port, value):
    with Client(f"http://127.0.0.1:{port}", token="t") as client, pytest.raises(InvalidInput) as caught:
        client.send("GET", "/health", headers={"Idempotency-Key": value})
    assert value not in caught.value.message


def test_no_client_is_made_anywhere_else():
    makers = re.compile(
        r"\b(httpx\.(Client|AsyncClient|get|post|stream|request)|(?<!\.)requests\.(get|post|request|Session)|urlopen)\("
    )
    sources = [
        path for top in ("candleray", "actors", "cluster", "serve_apps") for path in (ROOT / top).rglob("*.py")
    ]
    made = [path.relative_to(ROOT) for path in sources if makers.search(path.read_text())]
    assert list(map(str, made)) == ["candleray/network/clients.py"]
