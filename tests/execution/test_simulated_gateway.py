"""The gateway over the exchange simulator, in the dialects of both venues, and that it reaches nothing else."""

from __future__ import annotations

import ast
import logging
import pickle
import re

import httpx
import pytest

from candleray.errors import ExchangeError, InvalidInput, OrderNotTaken, OrderRejected, OutcomeUnknown
from candleray.execution.dialects.binance import BinanceOrders
from candleray.execution.dialects.bybit import BybitOrders
from candleray.execution.dialects.dialect import PrivateRequest, SignedRequest
from candleray.execution.gateway import VALIDITY_MS, require_harmless_key
from candleray.execution.signing import Credentials, bybit_text, signature
from candleray.execution.simulated_gateway import SimulatedGateway, require_simulator
from candleray.markets import find_market
from candleray.settings import ROOT
from tests.support.execution.conformance import VenueContract, placed
from tests.support.execution.venue_account import EXCHANGES, URL, VenueAccount, order_request
from tests.support.simulated import Clock

BINANCE_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
BINANCE_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
"""Secret of the venue's documentation: nobody's."""


@pytest.fixture(params=EXCHANGES)
def venue(request: pytest.FixtureRequest) -> VenueAccount:
    return VenueAccount(request.param)


class TestSimulatedGateway(VenueContract):
    """Every rule, at both venues."""


def test_a_query_is_signed_as_in_binances_published_example():
    query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    published = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    fields = dict(pair.split("=") for pair in query.split("&"))
    signed = BinanceOrders().sign(
        PrivateRequest("POST", "/fapi/v1/order", fields),
        Credentials(BINANCE_KEY, BINANCE_SECRET),
        1_499_827_319_559,
        5000,
    )
    assert signed.query == f"{query}&recvWindow=5000&timestamp=1499827319559&signature={published}"
    assert signed.headers == {"x-mbx-apikey": BINANCE_KEY}


def test_what_is_signed_for_bybit_is_the_text_of_its_published_example():
    """The venue publishes the text, and not the secret: the HMAC itself is held to Binance's example."""
    query = {"category": "option", "symbol": "BTC-29JUL22-25000-C"}
    text = "1658384314791XXXXXXXXXX5000category=option&symbol=BTC-29JUL22-25000-C"
    assert bybit_text("1658384314791", "XXXXXXXXXX", "5000", text[27:]) == text
    signed = BybitOrders().sign(
        PrivateRequest("GET", "/v5/order/realtime", query),
        Credentials("XXXXXXXXXX", "a secret"),
        1658384314791,
        5000,
    )
    assert signed.headers["x-bapi-sign"] == signature("a secret", text)


async def raw(venue: VenueAccount, signed: SignedRequest) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(venue.app), base_url=URL) as client:
        url = signed.path + (f"?{signed.query}" if signed.query else "")
        return await client.request(signed.method, url, content=signed.body, headers=dict(signed.headers))


async def test_the_simulator_takes_both_of_binances_published_signatures():
    """Fields in the query, or in query and body; then the symbol is refused, which comes after the signature."""
    venue = VenueAccount("binance", Clock(venue_ahead_s=1_499_827_319.559))
    venue.credentials = Credentials(BINANCE_KEY, BINANCE_SECRET)
    await venue.open()
    first, second = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC", "quantity=1&price=0.1&recvWindow=5000"
    second += "&timestamp=1499827319559"
    whole = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    parted = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
    key = {"x-mbx-apikey": BINANCE_KEY}
    for query, body, code in (
        (f"{first}&{second}&signature={whole}", "", -1121),
        (first, f"{second}&signature={parted}", -1121),
        (first, f"{second}&signature={whole}", -1022),
    ):
        signed = SignedRequest("POST", "/fapi/v1/order", query, body, key)
        assert codes(await raw(venue, signed)) == code


DIALECTS = {"binance": BinanceOrders(), "bybit": BybitOrders()}


def codes(answer: httpx.Response) -> int:
    content = answer.json()
    return int(content.get("code", content.get("retCode", 0)))


async def test_the_same_bytes_have_one_effect(venue: VenueAccount):
    await venue.open()
    dialect, now_ms = DIALECTS[venue.exchange], int(venue.clock.venue() * 1000)
    signed = dialect.sign(dialect.place(order_request(venue)), venue.credentials, now_ms, VALIDITY_MS)
    assert codes(await raw(venue, signed)) == 0
    assert codes(await raw(venue, signed)) == {"binance": -1022, "bybit": 10004}[venue.exchange]
    assert len(await venue.gateway().fills_since(venue.instrument, 0)) == 2


@pytest.mark.parametrize(
    ("off_ms", "code"),
    [
        (-VALIDITY_MS - 1, {"binance": -1021, "bybit": 10002}),
        (1000, {"binance": -1021, "bybit": 10002}),
        (-VALIDITY_MS, {"binance": 0, "bybit": 0}),
        (999, {"binance": 0, "bybit": 0}),
    ],
)
async def test_a_request_holds_from_a_second_before_its_time_to_the_end_of_its_window(
    venue: VenueAccount, off_ms: int, code: dict[str, int]
):
    await venue.open()
    dialect, now_ms = DIALECTS[venue.exchange], round(venue.clock.venue() * 1000)
    place = dialect.place(order_request(venue))
    signed = dialect.sign(place, venue.credentials, now_ms + off_ms, VALIDITY_MS)
    assert codes(await raw(venue, signed)) == code[venue.exchange]


async def test_another_secret_and_a_key_that_nobody_has_are_refused_in_the_venues_words(venue: VenueAccount):
    await venue.open()
    stranger = Credentials("a key that nobody has", venue.credentials.secret)
    with pytest.raises(OrderRejected, match=r"-2015|10003"):
        await placed(venue.gateway(stranger), order_request(venue))
    # What a venue takes for a replay looks alike: the order may be there. The probe says that the secret is wrong.
    forger = venue.gateway(Credentials(venue.credentials.api_key, "another secret"))
    with pytest.raises(OutcomeUnknown, match=r"-1022|10004") as refused:
        await placed(forger, order_request(venue))
    with pytest.raises(ExchangeError, match=r"-1022|10004"):
        await require_harmless_key(forger)
    assert venue.credentials.secret not in str(refused.value)


async def test_a_request_that_was_changed_on_its_way_is_refused(venue: VenueAccount):
    await venue.open()
    dialect, now_ms = DIALECTS[venue.exchange], int(venue.clock.venue() * 1000)
    signed = dialect.sign(dialect.place(order_request(venue)), venue.credentials, now_ms, VALIDITY_MS)
    changed = type(signed)(
        signed.method,
        signed.path,
        signed.query.replace("0.01", "9.01"),
        signed.body.replace("0.01", "9.01"),
        signed.headers,
    )
    assert codes(await raw(venue, changed)) == {"binance": -1022, "bybit": 10004}[venue.exchange]


def answering(status: int, content: bytes) -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(status, content=content))


@pytest.mark.parametrize(
    ("exchange", "status", "content", "error"),
    [
        ("binance", 503, b'{"code":-1008,"msg":"overloaded"}', OrderNotTaken),
        ("binance", 503, b'{"code":-1000,"msg":"Unknown error"}', OutcomeUnknown),
        ("binance", 408, b'{"code":-1007,"msg":"Timeout"}', OutcomeUnknown),
        ("binance", 429, b'{"code":-1003,"msg":"Too many"}', OrderNotTaken),
        ("binance", 418, b"<html>banned</html>", OutcomeUnknown),
        ("binance", 400, b'{"code":-2019,"msg":"Margin"}', OrderRejected),
        ("binance", 400, b'{"code":-4116,"msg":"duplicated"}', OutcomeUnknown),
        ("binance", 502, b"<html>Bad Gateway</html>", OutcomeUnknown),
        ("binance", 200, b'{"orderId":7,"clientOr', OutcomeUnknown),
        ("binance", 200, b'{"orderId":7}', OutcomeUnknown),
        ("binance", 200, b"[]", OutcomeUnknown),
        ("bybit", 200, b'{"retCode":10006,"retMsg":"Too many visits"}', OrderNotTaken),
        ("bybit", 200, b'{"retCode":10016,"retMsg":"Server error"}', OutcomeUnknown),
        ("bybit", 200, b'{"retCode":110007,"retMsg":"not enough"}', OrderRejected),
        ("bybit", 200, b'{"retCode":110072,"retMsg":"duplicate"}', OutcomeUnknown),
        ("bybit", 403, b'{"retCode":10018,"retMsg":"IP limit"}', OrderNotTaken),
        ("bybit", 200, b'{"retCode":0,"result":{"orderId":"7","orderLinkId":"another"}}', OutcomeUnknown),
        ("bybit", 200, b'{"retCode":0}', OutcomeUnknown),
    ],
)
async def test_an_answer_is_a_refusal_a_later_or_a_doubt(
    exchange: str, status: int, content: bytes, error: type[Exception]
):
    account = VenueAccount(exchange)
    gateway = SimulatedGateway(account.market, URL, account.credentials, transport=answering(status, content))
    with pytest.raises(error) as told:
        await gateway.place(order_request(account), 1_750_600_040_000)
    assert type(told.value) is error
    with pytest.raises(ExchangeError):
        await gateway.position(account.instrument)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.ConnectError("refused"), OrderNotTaken),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.WriteError("cut"), OutcomeUnknown),
        (httpx.RemoteProtocolError("half"), OutcomeUnknown),
    ],
)
async def test_a_cut_leaves_a_doubt_unless_nothing_was_sent(failure: Exception, error: type[Exception]):
    def fail(request: httpx.Request) -> httpx.Response:
        raise failure

    account = VenueAccount("binance")
    gateway = SimulatedGateway(account.market, URL, account.credentials, transport=httpx.MockTransport(fail))
    with pytest.raises(error):
        await gateway.place(order_request(account), 1_750_600_040_000)


@pytest.mark.parametrize(
    "url",
    [
        "https://fapi.binance.com",
        "https://api.bybit.com",
        "https://testnet.binancefuture.com",
        "https://127.0.0.1",
        "http://127.0.0.1.nip.io:9900",
        "http://localhost.binance.com",
        "http://127.0.0.1:9900@fapi.binance.com",
        "http://user:secret@127.0.0.1:9900",
        "http://192.168.0.7:9900",
        "http://2130706433",
        "http://[::ffff:1.2.3.4]",
        "",
        "ftp://localhost",
        "127.0.0.1:9900",
    ],
)
def test_orders_go_to_this_machine_and_nowhere_else(url: str):
    with pytest.raises(InvalidInput, match="orders go to a simulator on this machine alone"):
        SimulatedGateway(find_market("binance-futures"), url, Credentials("key", "secret"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9900", "http://localhost:9900", "http://[::1]:9900"])
def test_a_simulator_of_this_machine_may_be_asked(url: str):
    assert str(require_simulator(url)) == url


async def test_a_redirect_to_a_venue_is_not_followed():
    asked: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"location": "https://fapi.binance.com/fapi/v1/order"})

    account = VenueAccount("binance")
    gateway = SimulatedGateway(account.market, URL, account.credentials, transport=httpx.MockTransport(redirect))
    with pytest.raises(OutcomeUnknown):
        await gateway.place(order_request(account), 1_750_600_040_000)
    assert asked == ["127.0.0.1"]


ORDER_PATHS = re.compile(r"/(fapi|api|dapi|sapi)/v\d/(order|batchOrders|algoOrder)|/v5/order/|order/create")


def test_no_file_but_the_dialects_and_the_simulator_names_an_order_endpoint():
    """The one gateway alone makes an HTTP client for them, and it asks this machine alone."""
    packages = ("kernels", "candleray", "actors", "cluster", "serve_apps")
    files = [file for top in packages for file in (ROOT / top).rglob("*.py")]
    naming = {str(file.relative_to(ROOT)) for file in files if ORDER_PATHS.search(file.read_text())}
    assert naming == {
        "candleray/execution/dialects/binance.py",
        "candleray/execution/dialects/bybit.py",
        "candleray/simulator/accounts/binance_orders.py",
    }
    users = {
        str(file.relative_to(ROOT))
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("candleray.execution.dialects")
    }
    assert {file for file in users if "execution/dialects" not in file and "/simulator/" not in file} == {
        "candleray/execution/simulated_gateway.py"
    }
    of_execution = [file for file in files if "execution" in file.parts]
    making = {file.name for file in of_execution if re.search(r"httpx|network\.clients", file.read_text())}
    assert making == {"simulated_gateway.py"}


async def test_a_secret_stands_in_no_text_and_no_log(venue: VenueAccount, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        await placed(await venue.open(), order_request(venue))
    secret = venue.credentials.secret
    signed = DIALECTS[venue.exchange].sign(
        PrivateRequest("GET", "/"), venue.credentials, 1_750_600_000_000, VALIDITY_MS
    )
    assert secret not in caplog.text + repr(venue.credentials) + repr(signed) + repr(venue.gateway().__dict__)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(venue.credentials)


def test_markets_without_orders_are_refused_in_words():
    with pytest.raises(InvalidInput, match="binance-spot has no orders here"):
        SimulatedGateway(find_market("binance-spot"), URL, Credentials("key", "secret"))
