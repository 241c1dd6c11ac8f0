"""Planted canaries: no secret, token or code comes out in a log line, an error, a metric or the database.

Whatever takes a secret is used with the logs at DEBUG, rightly and wrongly; then all that came out is searched.
"""

from __future__ import annotations

import io
import time
from uuid import uuid4

from candleray.databases.postgres import Postgres
from candleray.logs import configure_logs
from tests.support.api.accounts import set_up
from tests.support.api.in_process_api import BOT_TOKEN, KEY_ENCRYPTION_KEY, backend, fresh_login, serving_strangers
from tests.support.canaries import watch_logs

API_KEY, API_SECRET = f"canary-key-{uuid4().hex}", f"canary-secret-{uuid4().hex}"


async def test_no_canary_comes_out_anywhere(postgres: Postgres):
    logged, errors = io.StringIO(), []
    configure_logs("DEBUG", logged)
    try:
        async with serving_strangers(backend(object())) as api:
            somebody = uuid4().int >> 80
            login = fresh_login(somebody)
            session = (await api.post("/login/telegram/widget", json=login)).json()["token"]
            errors.append(await api.post("/login/telegram/widget", json=login))
            errors.append(await api.post("/login/telegram/widget", json={**login, "hash": login["hash"][:60]}))
            cookie = await api.post("/login/telegram/widget?session=cookie", json=fresh_login(somebody))
            by_cookie = cookie.headers.get_list("Set-Cookie")[0].partition("=")[2].partition(";")[0]
            api.cookies.clear()
            errors.append(await api.get("/me", headers={"Authorization": f"Bearer {session}x"}))
            errors.append(await api.get("/me", headers={"Authorization": f"Basic {session}"}))
            errors.append(await api.post("/tokens", json={}, headers={"Cookie": f"candleray_session={by_cookie}"}))
            api.headers["Authorization"] = f"Bearer {session}"
            token = (await api.post("/tokens", json={"name": "mine"})).json()["token"]
            begun = (await api.post("/second-factor", json={})).json()["secret"]
            wrong = f"{begun[:8]}-{begun[8:20]}-too-long-for-a-code"
            errors.append(await api.post("/second-factor/verify", json={"code": wrong}))
            totp, recovery = await set_up(api)
            code = totp.at(int(time.time()) + 30)
            await api.post("/second-factor/verify", json={"code": code})
            errors.append(await api.post("/second-factor/verify", json={"code": code}))
            key = {"exchange": "binance", "label": "main", "api_key": API_KEY, "api_secret": API_SECRET}
            assert (await api.post("/exchange-keys", json=key)).status_code == 200
            spoiled: list[dict[str, object]] = [
                {**key, "exchange": "kraken"},
                {**key, "api_secret": API_SECRET + " "},
                {**key, "api_key": [API_KEY]},
                {**key, "api_secret": {"text": API_SECRET}},
            ]
            errors += [await api.post("/exchange-keys", json=one) for one in spoiled]
            listed = await api.get("/exchange-keys")
            metrics = await api.get("/metrics")
    finally:
        watch_logs()
    canaries = {
        *(API_KEY, API_SECRET, BOT_TOKEN, KEY_ENCRYPTION_KEY, session, by_cookie, token, login["hash"][:60]),
        *(begun, totp.secret, code, *recovery, *(one.replace("-", "") for one in recovery), wrong),
    }
    assert [answer.status_code for answer in errors if answer.is_success] == []
    out = {
        "log": logged.getvalue(),
        "errors": "".join(answer.text + str(answer.headers) for answer in errors),
        "metrics": metrics.text,
        "list": listed.text,
        "database": await _dump(postgres),
    }
    assert "login_refused" in out["log"]
    found = {(where, canary) for where, text in out.items() for canary in canaries if canary in text}
    # Six digits may stand in any number; a code is looked for as a value of its own.
    assert {(where, canary) for where, canary in found if canary != code or f'"{code}"' in out[where]} == set()


async def _dump(postgres: Postgres) -> str:
    """Every row of every table, as text."""
    async with postgres.connection() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetch(f'SELECT t::text FROM "{name}" t') for (name,) in tables]
    return "\n".join(row[0] for table in rows for row in table)
