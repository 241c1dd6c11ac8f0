"""The SDK's connection: the API's errors as exceptions, retries of what may be repeated, addresses, tokens."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from candleray import (
    ApiError,
    CandlerayError,
    Client,
    InstanceError,
    InvalidInput,
    Problem,
    ServiceUnavailable,
)
from candleray.build import BUILD_HEADER, own_build
from candleray.errors import Busy, Forbidden, TooManyRequests, error_classes
from candleray.identity.models import TokenRequest
from candleray.sdk import connection
from candleray.settings import get_settings

pytestmark = pytest.mark.usefixtures("no_waiting")

BACKTEST = {
    "instrument": {"market_id": 1, "symbol": "SDKUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-02", "end": "2025-01-08"},
    "indicators": [{"id": "sma", "params": {"window": 10}}],
}


def mocked(handler: Callable[[httpx.Request], httpx.Response], **options: object) -> Client:
    return Client("http://api", transport=httpx.MockTransport(handler), **options)


@pytest.mark.parametrize("cls", error_classes().values(), ids=lambda cls: cls.__name__)
def test_every_error_of_ours_arrives_as_its_own_class(cls, monkeypatch):
    error = cls("what is wrong", [Problem("b", "code", "second"), Problem("a", "code", "first")])
    with (
        mocked(lambda request: httpx.Response(cls.status, json=error.payload())) as client,
        pytest.raises(CandlerayError) as caught,
    ):
        client.health()
    assert type(caught.value) is cls
    assert (caught.value.message, caught.value.problems) == ("what is wrong", error.problems)


def test_an_answer_that_is_none_of_ours_is_an_api_error_with_its_status():
    with (
        mocked(lambda request: httpx.Response(418, text="<html>teapot")) as client,
        pytest.raises(ApiError) as caught,
    ):
        client.health()
    assert "418" in caught.value.message
    assert "teapot" in caught.value.message


def test_an_answer_of_another_version_is_an_api_error():
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"something": "else"})

    with mocked(answer) as client, pytest.raises(ApiError, match=r"restart the instance.*not understood"):
        client.indicators()


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (None, "an older version.*restart the instance"),
        ("0.0.9+0123456789ab", "0.0.9.0123456789ab.*restart the instance"),
        (own_build(), "^the API's answer is not understood"),
    ],
)
def test_an_answer_that_is_not_understood_names_both_builds_where_they_differ(build, told):
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"something": "else"}, headers={BUILD_HEADER: build} if build else {})

    with mocked(answer) as client, pytest.raises(ApiError, match=told):
        client.me()


@pytest.mark.parametrize(("error", "notes"), [(InvalidInput("unknown field"), 1), (Forbidden("no operator"), 0)])
def test_an_error_that_another_build_may_explain_has_a_note(error, notes):
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(error.status, json=error.payload(), headers={BUILD_HEADER: "0.0.9"})

    with mocked(answer) as client, pytest.raises(type(error)) as caught:
        client.me()
    assert caught.value.message == error.message
    told = getattr(caught.value, "__notes__", [])
    assert [("restart the instance" in note) for note in told] == [True] * notes


@pytest.mark.parametrize("trouble", [502, 503, 504, httpx.ConnectError("refused"), httpx.ReadError("reset")])
def test_what_fails_in_passing_is_tried_again(trouble):
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        if len(seen) <= 2:
            if isinstance(trouble, Exception):
                raise trouble
            return httpx.Response(trouble, text="bad gateway")
        return httpx.Response(200, json=[])

    with mocked(answer) as client:
        assert client.coverage() == []
    assert len(seen) == 3


def test_it_gives_up_after_four_attempts_and_says_so():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503, text="no server available")

    with mocked(answer) as client, pytest.raises(ServiceUnavailable, match="answered 503: no server available"):
        client.backtest(BACKTEST)
    assert len(seen) == 4


@pytest.mark.parametrize("status", [404, 409, 413, 422, 500])
def test_what_would_fail_again_is_not_tried_again(status):
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, text="no")

    with mocked(answer) as client, pytest.raises(CandlerayError):
        client.coverage()
    assert len(seen) == 1


def test_a_404_that_is_not_the_apis_own_means_that_the_api_is_not_there_yet():
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, text="Path '/candles/coverage' not found.")

    with mocked(answer) as client, pytest.raises(ServiceUnavailable, match="answered 404: Path"):
        client.coverage()


def test_a_slow_answer_is_not_asked_for_twice():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        raise httpx.ReadTimeout("slow")

    with mocked(answer, timeout_s=7) as client, pytest.raises(ServiceUnavailable, match="within 7 s"):
        client.backtest(BACKTEST)
    assert len(seen) == 1


def test_what_took_long_to_fail_is_not_tried_again(monkeypatch):
    monkeypatch.setattr(connection, "RETRY_WITHIN_S", -1.0)
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503, json=ServiceUnavailable("the backtest took longer than 300 s").payload())

    with mocked(answer) as client, pytest.raises(ServiceUnavailable, match="longer than 300 s"):
        client.backtest(BACKTEST)
    assert len(seen) == 1


def refusing(seen: list[httpx.Request], wait_s: str, error: CandlerayError, times: int = 100) -> Client:
    """A client of an API that refuses so many times, and then is well."""

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) > times:
            return httpx.Response(200, json={"status": "ok"})
        return httpx.Response(error.status, json=error.payload(), headers={"Retry-After": wait_s})

    return mocked(answer)


@pytest.mark.parametrize("error", [TooManyRequests("your share is in use"), Busy("all is in use")])
def test_who_is_asked_to_wait_waits_as_long_and_asks_again(error, monkeypatch, caplog):
    seen, waited = [], []
    monkeypatch.setattr(connection.time, "sleep", waited.append)
    with refusing(seen, "2", error, times=2) as client:
        client.health()
    assert (len(seen), waited) == (3, [2, 2])
    assert f"http://api answered {error.status}: asking again in 2 s" in caplog.text


def test_waiting_has_an_end_and_the_error_names_the_seconds(monkeypatch):
    seen, waited = [], []
    monkeypatch.setattr(connection.time, "sleep", waited.append)
    named = pytest.raises(TooManyRequests, match=r"your share is in use \(try again in 2 s\)")
    with refusing(seen, "2", TooManyRequests("your share is in use")) as client, named as caught:
        client.health()
    assert (len(seen), waited, caught.value.retry_after_s) == (4, [2, 2, 2], 2)


def test_a_long_wait_is_the_caller_s_to_decide():
    seen = []
    named = pytest.raises(TooManyRequests, match="try again in 900 s")
    with refusing(seen, "900", TooManyRequests("locked for a while")) as client, named:
        client.health()
    assert len(seen) == 1


def test_what_may_not_be_sent_twice_is_not_and_names_the_seconds():
    seen = []
    named = pytest.raises(TooManyRequests, match="try again in 1 s")
    with refusing(seen, "1", TooManyRequests("your share is in use")) as client, named:
        client.create_token(TokenRequest(name="mine"))
    assert len(seen) == 1


def test_where_nothing_listens_it_says_what_to_do():
    with Client("127.0.0.1:1") as client, pytest.raises(ServiceUnavailable) as caught:
        client.health()
    assert caught.value.message.startswith("no Candleray API at http://127.0.0.1:1: start one with `candleray up`")


def test_no_password_and_no_token_is_ever_shown():
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(500, text="oops")

    transport = httpx.MockTransport(answer)
    with Client("http://me:hidden@api", token="secret", transport=transport) as client:
        with pytest.raises(ApiError) as caught:
            client.health()
        shown = f"{client!r} {client.url} {caught.value}"
    assert "hidden" not in shown
    assert "secret" not in shown
    assert len(sent) == 1


def test_the_token_goes_out_as_a_bearer():
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(200, json={})

    with mocked(answer, token="secret") as client:
        client.health()
    assert sent == ["Bearer secret"]


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:port"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ApiError, match="URL"):
        Client(url)


def test_the_api_is_found_in_the_settings_then_in_the_data_folder_then_at_the_default_port(tmp_path, monkeypatch):
    def found() -> str:
        get_settings.cache_clear()
        return connection.find_api_url()

    monkeypatch.delenv("CANDLERAY_API_URL", raising=False)
    monkeypatch.delenv("CANDLERAY_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    assert found() == "http://127.0.0.1:8000"
    monkeypatch.setenv("CANDLERAY_DATA_DIR", str(tmp_path))
    with pytest.raises(InstanceError, match=f"no instance runs in {tmp_path}: start one with `candleray up`"):
        found()
    (tmp_path / "instance.json").write_text(json.dumps({"api_url": "http://127.0.0.1:9123", "pid": 1}))
    assert found() == "http://127.0.0.1:9123"
    assert connection.find_api_url(tmp_path) == "http://127.0.0.1:9123"
    assert Client(data=tmp_path).url == Client(data=str(tmp_path)).url == "http://127.0.0.1:9123"
    with pytest.raises(InvalidInput, match="give one of them"):
        Client("http://elsewhere", data=tmp_path)
    monkeypatch.setenv("CANDLERAY_API_URL", "http://elsewhere")
    assert found() == "http://elsewhere"
    assert connection.find_api_url(tmp_path) == "http://127.0.0.1:9123"
    (tmp_path / "instance.json").write_text("{torn")
    with pytest.raises(InstanceError, match="no instance runs in"):
        connection.find_api_url(tmp_path)
    get_settings.cache_clear()


@pytest.mark.parametrize("content", [{"a": "\ud800"}, {"\ud800": 1}, {"deep": [{"er": ["\udfff"]}]}])
def test_half_a_character_is_refused_before_it_is_sent(content: object):
    with pytest.raises(InvalidInput, match="half of a character"):
        connection.encoded(content)


@pytest.mark.parametrize("part", [".", "..", "../..", "a/../b", "...", "a b", "%2e%2e"])
def test_a_segment_of_a_path_stays_below_it(part: str):
    url = httpx.Client(base_url="http://api").build_request("GET", f"/jobs/{connection.segment(part)}/top").url
    assert url.raw_path.startswith(b"/jobs/")
    assert url.raw_path.endswith(b"/top")
    assert url.raw_path.count(b"/") == 3
