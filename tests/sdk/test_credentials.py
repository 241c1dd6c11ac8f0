"""Tokens on every way in: stripped, checked, never quoted."""

from __future__ import annotations

import httpx
import pytest

from candleray import Client, InvalidInput
from candleray.private_files import write_private
from candleray.sdk.credentials import MAX_TOKEN, TOKEN_VARIABLE, token_file

URL = "http://api"
TOKEN = "crt_" + "x" * 43
WRONG = [
    f"{TOKEN}\n{TOKEN}",
    f"Bearer {TOKEN}",
    f"“{TOKEN}”",
    f"{TOKEN}\x07",
    "schlüssel-geheim",
    "y" * (MAX_TOKEN + 1),
]


@pytest.fixture(autouse=True)
def _no_token(monkeypatch, tmp_path):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def by_argument(token: str, monkeypatch: pytest.MonkeyPatch) -> str | None:
    return token


def by_environment(token: str, monkeypatch: pytest.MonkeyPatch) -> str | None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    return None


def by_file(token: str, monkeypatch: pytest.MonkeyPatch) -> str | None:
    token_file(URL).parent.mkdir(parents=True)
    write_private(token_file(URL), token)
    return None


def sent(token: str | None) -> str | None:
    """Return the header by which a client with that token says who it is."""
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(200, json={})

    with Client(URL, token=token, transport=httpx.MockTransport(answer)) as client:
        client.health()
    return seen[0]


@pytest.mark.parametrize("way", [by_argument, by_environment, by_file])
@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}\t", "\ufeff{}\n"])
def test_space_and_line_ends_around_a_token_are_dropped(way, around, monkeypatch):
    assert sent(way(around.format(TOKEN), monkeypatch)) == f"Bearer {TOKEN}"


@pytest.mark.parametrize("way", [by_argument, by_environment, by_file])
@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_what_is_no_token_is_refused_and_nothing_of_it_quoted(way, wrong, monkeypatch):
    given = way(wrong, monkeypatch)
    with pytest.raises(InvalidInput) as caught:
        Client(URL, token=given)
    assert "no token" in caught.value.message
    assert not any(part in caught.value.message for part in (TOKEN[4:], "geheim", "yyy"))


@pytest.mark.parametrize("way", [by_argument, by_environment])
def test_an_empty_token_is_none(way, monkeypatch):
    assert sent(way(" \n", monkeypatch)) is None
