"""Login by Telegram alone: what is verified, and what every attack on it is answered."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from ipaddress import IPv6Address
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.requests import Request

from candleray.databases.valkey import Valkey
from candleray.identity.models import MiniAppLogin, WidgetLogin
from candleray.identity.telegram import (
    LoginRefused,
    sign_mini_app,
    sign_widget,
    telegram_user_of_mini_app,
    telegram_user_of_widget,
)
from serve_apps.http.callers import address_of
from tests.api.attacks.logins import MINI_APP, WIDGET, without
from tests.support.api.in_process_api import BOT_TOKEN, backend, fresh_login, serving_strangers, settings

NOW = 1_735_689_600
FORGED = {**fresh_login(7), "id": 8}


@pytest.fixture
async def stranger() -> AsyncIterator[httpx.AsyncClient]:
    async with serving_strangers(backend(object())) as client:
        yield client


# What Telegram documents -----------------------------------------------------------------------------------------


def test_the_widget_s_hash_is_the_one_that_telegram_documents():
    login = sign_widget(42, BOT_TOKEN, NOW, first_name="Ada", username="ada")
    text = f"auth_date={NOW}\nfirst_name=Ada\nid=42\nusername=ada"
    key = hashlib.sha256(BOT_TOKEN.encode()).digest()
    assert login.hash == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    assert telegram_user_of_widget(login, BOT_TOKEN, NOW) == 42


def test_the_mini_app_s_hash_is_the_one_that_telegram_documents():
    login = sign_mini_app(42, BOT_TOKEN, NOW, query_id="AAA", signature="third party's")
    fields = dict(parse_qsl(login.init_data))
    text = "\n".join(sorted(f"{name}={value}" for name, value in fields.items() if name != "hash"))
    key = hmac.new(b"WebAppData", BOT_TOKEN.encode(), hashlib.sha256).digest()
    assert fields["hash"] == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    assert telegram_user_of_mini_app(login, BOT_TOKEN, NOW) == 42


@pytest.mark.parametrize(
    ("age_s", "reason"), [(301, "stale"), (300, None), (0, None), (-30, None), (-31, "from_the_future")]
)
def test_a_login_is_good_for_five_minutes(age_s, reason):
    widget, mini_app = sign_widget(42, BOT_TOKEN, NOW - age_s), sign_mini_app(42, BOT_TOKEN, NOW - age_s)
    for verify, login in ((telegram_user_of_widget, widget), (telegram_user_of_mini_app, mini_app)):
        if reason is None:
            assert verify(login, BOT_TOKEN, NOW) == 42
        else:
            with pytest.raises(LoginRefused) as caught:
                verify(login, BOT_TOKEN, NOW)
            assert caught.value.reason == reason


@given(st.text(max_size=300))
def test_no_init_data_gets_in_or_breaks_anything(text):
    with pytest.raises(LoginRefused):
        telegram_user_of_mini_app(MiniAppLogin.model_construct(init_data=text), BOT_TOKEN, NOW)


@given(
    field=st.sampled_from(["id", "auth_date", "first_name", "username"]),
    value=st.one_of(st.integers(1, 2**40), st.text(max_size=20)),
)
def test_a_login_whose_field_was_changed_is_forged(field, value):
    login = sign_widget(42, BOT_TOKEN, NOW, first_name="Ada").model_dump(exclude_none=True)
    try:
        changed = WidgetLogin.model_validate({**login, field: value})
    except ValidationError:
        return
    if changed.model_dump(exclude_none=True) != login:
        with pytest.raises(LoginRefused):
            telegram_user_of_widget(changed, BOT_TOKEN, NOW)


# Through the API: every attack is in tests/attacks ---------------------------------------------------------------


async def test_a_truncated_login_is_told_what_is_missing(stranger):
    for missing in ("id", "auth_date", "hash"):
        answer = await stranger.post(WIDGET, json=without(fresh_login(7), missing))
        assert (answer.status_code, answer.json()["error"]["problems"][0]["field"]) == (422, missing)


async def test_both_ways_lead_to_one_user(stranger):
    first = (await stranger.post(WIDGET, json=fresh_login(7))).json()["token"]
    data = sign_mini_app(7, BOT_TOKEN, time.time(), query_id=uuid4().hex).model_dump()
    second = (await stranger.post(MINI_APP, json=data)).json()["token"]
    users = [
        (await stranger.get("/me", headers={"Authorization": f"Bearer {token}"})).json()
        for token in (first, second)
    ]
    assert users[0] == users[1]
    assert users[0]["telegram_user_id"] == 7


async def test_logins_are_limited_by_address_and_by_user():
    few, ours = {"logins_per_minute": 3, "address_header": "X-Real-IP"}, {"proxies": ["127.0.0.1"]}
    async with serving_strangers(backend(object(), identity=few, api=ours)) as client:
        here, there = {"X-Real-IP": some_address()}, {"X-Real-IP": some_address()}
        tried = [await client.post(WIDGET, json=FORGED, headers=here) for _ in range(4)]
        assert [answer.status_code for answer in tried] == [401, 401, 401, 429]
        assert 1 <= int(tried[-1].headers["Retry-After"]) <= 60
        assert tried[-1].json()["error"]["code"] == "too_many_requests"
        assert (await client.post(WIDGET, json=FORGED, headers=there)).status_code == 401
    async with serving_strangers(backend(object(), identity={"logins_per_user": 2})) as client:
        somebody = uuid4().int >> 80
        tried = [await client.post(WIDGET, json=fresh_login(somebody)) for _ in range(3)]
        assert [answer.status_code for answer in tried] == [200, 200, 429]


def test_what_a_hash_was_is_in_no_message():
    with pytest.raises(ValueError, match="64 hexadecimal") as caught:
        WidgetLogin(id=1, auth_date=1, hash="canary")
    assert all("canary" not in str(error["msg"]) for error in caught.value.errors())


async def test_a_login_is_remembered_as_long_as_it_could_be_used_again(stranger, valkey_url):
    (await stranger.post(WIDGET, json=fresh_login(7))).raise_for_status()
    valkey = await Valkey.open(valkey_url)
    left_ms = [await valkey.client.pttl(key) async for key in valkey.client.scan_iter("candleray:login:*")]
    await valkey.close()
    # From half a minute before its time to five minutes after.
    assert max(left_ms) > (300 + 30) * 1000


def some_address() -> str:
    return str(IPv6Address(uuid4().int))


@pytest.mark.parametrize(
    ("proxies", "header", "given", "address"),
    [
        ([], "X-Real-IP", {"X-Real-IP": "9.9.9.9", "X-Forwarded-For": "9.9.9.9"}, "127.0.0.1"),
        ([], "X-Forwarded-For", {"X-Forwarded-For": "9.9.9.9", "Forwarded": "for=9.9.9.9"}, "127.0.0.1"),
        (["10.0.0.0/8"], "X-Forwarded-For", {"X-Forwarded-For": "9.9.9.9"}, "127.0.0.1"),
        (["127.0.0.1"], "X-Real-IP", {"X-Forwarded-For": "9.9.9.9"}, "127.0.0.1"),
        (["127.0.0.1"], "X-Real-IP", {"X-Real-IP": "8.8.8.8"}, "8.8.8.8"),
        (["127.0.0.1"], "X-Forwarded-For", {"X-Forwarded-For": "9.9.9.9, 8.8.8.8"}, "8.8.8.8"),
        (
            ["127.0.0.1", "10.0.0.0/8"],
            "X-Forwarded-For",
            {"X-Forwarded-For": "9.9.9.9, 8.8.8.8, 10.0.0.7"},
            "8.8.8.8",
        ),
        (["127.0.0.1"], "X-Forwarded-For", {"X-Forwarded-For": "2001:db8::8"}, "2001:db8::8"),
        (["127.0.0.1"], "X-Forwarded-For", {"X-Forwarded-For": "8" * 100}, "127.0.0.1"),
        (["127.0.0.1"], "X-Forwarded-For", {"X-Forwarded-For": ""}, "127.0.0.1"),
    ],
)
def test_a_header_s_address_counts_where_a_named_proxy_sends_it(proxies, header, given, address):
    headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    request = Request({"type": "http", "client": ("127.0.0.1", 5), "headers": headers})
    chosen = settings(api={"proxies": proxies}, identity={"address_header": header})
    assert address_of(request, chosen) == address


@pytest.mark.parametrize("named", [None, "X-Real-IP", "X-Forwarded-For"])
async def test_whoever_writes_other_addresses_is_limited_all_the_same(named):
    """A proxy of ours is in front, which appends where the caller is to what the caller wrote."""
    rules = {"logins_per_minute": 3, "address_header": named or "X-Forwarded-For"}
    here, ours = some_address(), {"proxies": ["127.0.0.1"] if named else []}
    async with serving_strangers(backend(object(), identity=rules, api=ours)) as client:
        statuses = []
        for number in range(5):
            made_up = f"10.0.0.{number}"
            headers = {"X-Real-IP": here, "X-Forwarded-For": f"{made_up}, {here}", "Forwarded": f"for={made_up}"}
            if named is None:
                client._transport.client = (here, 1)
                headers = {"X-Real-IP": made_up, "X-Forwarded-For": made_up, "Forwarded": f"for={made_up}"}
            statuses.append((await client.post(WIDGET, json=FORGED, headers=headers)).status_code)
    assert statuses == [401, 401, 401, 429, 429]
