"""The second factor and keys of exchanges by the command line: no secret is ever an argument."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pyotp
import pytest
from click.testing import Result
from typer.testing import CliRunner

from candleray import Client, cli
from candleray.databases.postgres import Postgres
from candleray.identity.models import WidgetLogin
from candleray.market_data.candle_store import CandleStore
from candleray.notify.bot_store import BotStates
from candleray.private_files import write_private
from candleray.sdk.credentials import keep_token
from tests.support.api.in_process_api import BOT_TOKEN, fresh_login
from tests.support.api.served import served_api

Run = Callable[..., Result]
API_KEY, API_SECRET = f"key-{uuid4().hex}", f"secret-{uuid4().hex}"


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore) -> Iterator[str]:
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture
def run(api_url: str) -> Run:
    """Log in a new user."""
    with Client(api_url) as client:
        keep_token(api_url, client.log_in(WidgetLogin(**fresh_login(uuid4().int >> 80))).token)

    def invoke(*args: object, stdin: str | None = None, **environment: Any) -> Result:
        told = [*map(str, args), "--api", api_url]
        return CliRunner().invoke(cli.app, told, input=stdin, env=environment)

    return invoke


def now(totp: pyotp.TOTP, step: int = 0) -> str:
    return totp.at(int(time.time()) + 30 * step)


@pytest.fixture
def authenticator(run: Run, api_url: str) -> pyotp.TOTP:
    """Return a code of a second factor that is on; the code of the step before is spent."""
    with Client(api_url) as client:
        totp = pyotp.TOTP(client.begin_second_factor().secret)
        client.confirm_second_factor(now(totp, -1))
    return totp


def test_a_setup_shows_a_qr_code_and_after_the_first_code_the_recovery_codes(run, monkeypatch):
    def first_code(what: str) -> str:
        assert what == "First code of the app"
        return now(pyotp.TOTP(shown[0]))

    shown: list[str] = []
    begin = Client.begin_second_factor

    def begun(client: Client, code: str | None = None) -> Any:
        made = begin(client, code)
        shown.append(made.secret)
        return made

    monkeypatch.setattr(Client, "begin_second_factor", begun)
    monkeypatch.setattr("candleray.commands.second_factor.ask_secret", first_code)
    result = run("second-factor", "setup")
    assert result.exit_code == 0, result.output
    assert {"█", "▀", "▄"} & set(result.stdout)
    assert f"secret {shown[0]}\notpauth://totp/Candleray:" in result.stdout
    assert len([line for line in result.stdout.splitlines() if line.count("-") == 3]) == 10
    assert run("second-factor", "status").stdout == "on, 10 recovery codes left\n"


def test_replacing_it_asks_for_a_code_of_the_present_one(run, authenticator):
    refused = run("second-factor", "setup", stdin="ABCDEFGHIJKLMNOP\n")
    assert (refused.exit_code, refused.stderr) == (1, "error: the code is not valid\n")
    unfinished = run("second-factor", "setup", stdin=f"{now(authenticator, 1)}\n")
    assert (unfinished.exit_code, "otpauth://" in unfinished.stdout) == (2, True)
    assert "First code of the app: nothing on stdin" in unfinished.stderr


def test_its_states_are_told(run, authenticator):
    assert json.loads(run("second-factor", "status", "--json").stdout)["enabled"] is True
    new = run("second-factor", "recovery-codes", stdin=now(authenticator)).stdout.split()
    assert len(new) == 10
    assert run("second-factor", "verify", stdin=new[0]).stdout.startswith("fresh until 20")
    assert run("second-factor", "status").stdout == "on, 9 recovery codes left\n"
    assert run("second-factor", "disable", stdin=new[1]).stdout == "off\n"
    assert run("second-factor", "status").stdout == "off, 0 recovery codes left\n"


@pytest.mark.parametrize("by", ["stdin", "environment"])
def test_a_key_is_added_listed_and_deleted(run, authenticator, by):
    if by == "stdin":
        added = run("exchange-key", "add", "binance", "--label", "mine", stdin=f"{API_KEY}\n{API_SECRET}\n")
    else:
        given = {"CANDLERAY_EXCHANGE_KEY": API_KEY, "CANDLERAY_EXCHANGE_SECRET": API_SECRET}
        added = run("exchange-key", "add", "binance", "--label", "mine", **given)
    assert added.exit_code == 0, added.output
    key_id, *told = added.stdout.split()
    assert told == ["binance", "mine", f"…{API_KEY[-4:]}"]
    listed = run("exchange-key", "list")
    assert [key_id, "binance", "mine", f"…{API_KEY[-4:]}"] in [
        line.split()[:4] for line in listed.stdout.splitlines()
    ]
    assert [one["key_id"] for one in json.loads(run("exchange-key", "list", "--json").stdout)] == [key_id]
    assert run("exchange-key", "delete", key_id).stdout == f"deleted {key_id}\n"
    assert key_id not in run("exchange-key", "list").stdout
    everything = added.output + listed.output
    assert API_KEY not in everything
    assert API_SECRET not in everything


def test_a_key_needs_a_fresh_code(run):
    refused = run("exchange-key", "add", "binance", stdin=f"{API_KEY}\n{API_SECRET}\n")
    assert refused.exit_code == 1
    assert "needs a code of the second factor within the last 10 minutes" in refused.stderr
    assert "candleray second-factor verify" in run("exchange-key", "add", "--help").output


def test_a_key_without_a_secret_is_wrong_input(run, authenticator):
    assert run("exchange-key", "add", "binance", stdin=f"{API_KEY}\n").exit_code == 2
    wrong = run("exchange-key", "add", "kraken", stdin=f"{API_KEY}\n{API_SECRET}\n")
    assert (wrong.exit_code, API_SECRET in wrong.output) == (2, False)


@pytest.mark.parametrize("command", ["key add", "second-factor verify", "second-factor disable"])
def test_no_option_takes_a_secret(run, command):
    told = run(*command.split(), "--help").output
    assert not any(option in told for option in ("--code", "--secret", "--api-key", "--api-secret"))


def test_whoami_says_the_role_and_what_the_token_is_for(run: Run):
    assert ": user, by a token for read, trade, account" in run("whoami").stdout
    me = json.loads(run("whoami", "--json").stdout)
    assert (me["role"], me["scopes"]) == ("user", ["read", "trade", "account"])


def test_tokens_are_listed_as_json_too(run: Run):
    run("tokens", "create", "notebook")
    (listed,) = json.loads(run("tokens", "list", "--json").stdout)
    assert (listed["name"], listed["scopes"]) == ("notebook", ["read"])


def test_a_user_imports_no_candles_and_is_told_who_may(run: Run, tmp_path: Path):
    file = tmp_path / "candles.csv"
    file.write_text("ts_open,open,high,low,close,volume\n2025-01-01T00:00:00Z,1,1,1,1,1\n")
    refused = run("import", file, "--market", "binance-spot", "--symbol", "ROLEUSDT")
    assert refused.exit_code == 1
    assert "only an operator" in refused.stderr
    assert "identity.operators" in refused.stderr


async def test_messages_by_telegram_are_linked_chosen_and_ended(run: Run, postgres: Postgres):
    await BotStates(postgres).forget()
    refused = run("telegram", "link")
    assert refused.exit_code == 1
    assert "CANDLERAY_IDENTITY__BOT_TOKEN" in refused.stderr
    await BotStates(postgres).tell("candleray_test_bot", None)
    assert run("telegram", "link").stdout.startswith("https://t.me/candleray_test_bot?start=")
    assert "not linked to @candleray_test_bot" in run("telegram", "status").stdout
    chosen = ("--kinds", "exit,entry", "--quiet", "23:00-07:00", "--zone", "Europe/Berlin", "--muted")
    told = run("telegram", "policy", *chosen).stdout
    assert "tells entry, exit; quiet 23:00-07:00 Europe/Berlin; muted" in told
    assert "quiet 22:00-07:00 Europe/Berlin" in run("telegram", "policy", "--quiet", "22:00-07:00").stdout
    assert "quiet 22:00-07:00 Asia/Tokyo" in run("telegram", "policy", "--zone", "Asia/Tokyo").stdout
    policy = json.loads(run("telegram", "policy", "--quiet", "off", "--unmuted", "--json").stdout)["policy"]
    assert (policy["kinds"], policy.get("quiet_hours"), policy["muted"]) == (["entry", "exit"], None, False)
    assert "give --quiet too" in run("telegram", "policy", "--zone", "Asia/Tokyo").stderr
    wrong = run("telegram", "policy", "--kinds", "entri")
    assert wrong.exit_code == 2
    assert "kinds.0" in wrong.stderr
    assert "'entry'" in wrong.stderr
    assert "no run" in run("telegram", "policy", "--mute-run", str(uuid4())).stderr
    assert run("telegram", "unlink").exit_code == 0


def test_a_link_for_the_browser_logs_in_once_and_keeps_no_token(run: Run, api_url: str, tmp_path: Path):
    write_private(tmp_path / "bot_token", BOT_TOKEN)
    told = run("login", "--browser", "--telegram-user-id", 77, "--data", tmp_path, "--json")
    address, _, signed = json.loads(told.stdout)["link"].partition("#login=")
    assert address == f"{api_url}/"
    login = json.loads(base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4)))
    with httpx.Client(base_url=api_url) as browser:
        answers = [browser.post("/login/telegram/widget", json=login) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert run("whoami", "--json").exit_code == 0
    assert json.loads(run("whoami", "--json").stdout)["telegram_user_id"] != 77
