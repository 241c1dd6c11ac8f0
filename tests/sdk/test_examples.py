"""Every public method of the SDK has an example in its docstring, which runs against a real API as it stands."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pyotp
import pytest

from candleray import Client
from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.identity.models import WidgetLogin
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState
from candleray.market_data.candle_store import CandleStore
from candleray.markets import InstrumentReference
from candleray.notify.bot_store import BotStates
from candleray.sdk.jobs import SubmittedJob
from candleray.settings import JobSettings
from candleray.strategies.strategy import Strategy
from tests.support import embedded
from tests.support.api.accounts import NEW_OPERATORS
from tests.support.api.in_process_api import fresh_login, random_walk
from tests.support.api.served import served_api

BYBIT_SPOT = 3
REQUEST = {
    "instrument": {"market_id": BYBIT_SPOT, "symbol": "BTCUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-01T12:00:00Z", "end": "2025-01-02"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 10, "stop": 40, "step": 10}}}],
}
METHODS = {
    f"{cls.__name__}.{name}": method
    for cls in (Client, SubmittedJob)
    for name, method in inspect.getmembers(cls, inspect.isfunction)
    if not name.startswith("_")
}


@dataclass
class Person:
    """Somebody new, with what the examples take for granted; each is made when an example names it."""

    client: Client
    login: WidgetLogin
    recovery_codes: list[str] = field(default_factory=list)

    def request(self) -> dict[str, Any]:
        return REQUEST

    def rows(self) -> CandleRows:
        day = random_walk(1440)
        return CandleRows.of(day.ts_open_ms, day.values)

    def strategy(self) -> Strategy:
        return self.client.save_strategy(self.client.backtest(REQUEST).top[0])

    def job(self) -> SubmittedJob:
        """A job that has succeeded."""
        job = self.client.submit(REQUEST)
        result = self.client.backtest(REQUEST)

        async def run() -> None:
            postgres = await Postgres.open(embedded.postgres_url(), max_connections=1)
            attempts = Attempts(postgres, JobSettings())
            assert await attempts.move(job.job_id, JobState.RUNNING, "its turn has come")
            await attempts.finish(job.job_id, 1, result)
            await postgres.close()

        asyncio.run(run())
        return job


def names_taken_for_granted(source: str) -> set[str]:
    names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    assigned = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return {name.id for name in names} - assigned


def typed_by(person: Person, names: dict[str, Any]) -> Callable[[str], str]:
    """Types as a person would: the app's first code after a set-up, else a recovery code, or an exchange key."""

    def answer(prompt: str) -> str:
        if prompt.startswith("API"):
            return uuid4().hex
        if prompt.startswith("First code"):
            return pyotp.TOTP(names["setup"].secret).at(int(time.time()))
        if not person.recovery_codes:
            totp = pyotp.TOTP(person.client.begin_second_factor().secret)
            person.recovery_codes += person.client.confirm_second_factor(totp.now()).recovery_codes
        return person.recovery_codes.pop()

    return answer


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore) -> Iterator[str]:
    walk = random_walk(3000)
    embedded_store.insert(BYBIT_SPOT, "BTCUSDT", CandleRows.of(walk.ts_open_ms, walk.values))
    symbols = ("BTCUSDT", "ETHUSDT", "ADAUSDT", "SOLUSDT", "XRPUSDT")
    embedded_store.put_instruments(
        [InstrumentReference(market_id=BYBIT_SPOT, symbol=symbol, status="Trading") for symbol in symbols]
    )
    asyncio.run(have_a_bot())
    with served_api(embedded_store) as url:
        yield url


async def have_a_bot() -> None:
    """Have a Telegram bot, as its actor tells of it."""
    postgres = await Postgres.open(embedded.postgres_url(), max_connections=1)
    await BotStates(postgres).tell("candleray_test_bot", None)
    await postgres.close()


@pytest.fixture
def person(api_url: str) -> Iterator[Person]:
    user = next(NEW_OPERATORS)
    with Client(api_url, token="nobodys-yet") as stranger:
        token = stranger.log_in(WidgetLogin(**fresh_login(user))).token
    with Client(api_url, token=token) as client:
        yield Person(client, WidgetLogin(**fresh_login(user)))


@pytest.mark.parametrize("method", METHODS)
def test_the_example_of_a_public_method_runs_as_it_stands(method: str, person: Person) -> None:
    text = inspect.getdoc(METHODS[method]) or ""
    examples = doctest.DocTestParser().get_examples(text, method)
    assert examples, f"{method} has no example in its docstring"
    assert not any(example.options for example in examples), "no example is skipped or loosened"
    needed = names_taken_for_granted("\n".join(example.source for example in examples))
    names = {name: getattr(person, name)() for name in ("request", "rows", "strategy", "job") if name in needed}
    names |= {"client": person.client, "login": person.login}
    test = doctest.DocTest(examples, names, method, None, None, text)
    test.globs["input"] = typed_by(person, test.globs)
    printed: list[str] = []
    run = doctest.DocTestRunner(verbose=False).run(test, out=printed.append, clear_globs=False)
    assert run.failed == 0, "".join(printed)


def test_the_methods_are_all_of_them() -> None:
    assert len(METHODS) > 45
    assert {"Client.backtest", "Client.candles", "Client.submit", "Client.me", "SubmittedJob.result"} <= set(
        METHODS
    )
