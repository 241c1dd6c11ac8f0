"""Attacks on a real instance through its own proxy: each is refused, and meanwhile another user is answered.

`make faults` runs the large ones, and holds how long the other user waits.
"""

from __future__ import annotations

import json
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from uuid import UUID

import httpx
import pytest

from candleray.build import BUILD_HEADER
from candleray.databases.postgres import Postgres
from cluster.instance.haproxy_rules import SAFE_HEADERS
from cluster.services.embedded_postgres import EmbeddedPostgres
from tests.api.attacks.every import ATTACKS
from tests.api.attacks.target import Attack, Target
from tests.support import forty_days
from tests.support.api.api_document import operations
from tests.support.api.in_process_api import fresh_login
from tests.support.api.malformed_http import MALFORMED
from tests.support.instances.other_user import Asked, answered, other_user_asking
from tests.support.instances.real_instance import RealInstance
from tests.support.instances.slow_callers import (
    LOGIN,
    answer_of,
    many_stalled,
    poured,
    reopened,
    sending,
    silent,
    stalled,
)
from tests.support.live.saved_runs import saved_run
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

OTHER_USER = 77
ATTACKER = 78
LONG_S = 70.0
"""Length of the large ones: longer than the supervisor once needed to take being busy for being broken."""
WAITED_S = 1.0
LARGE_BODY = 16_700_000

JOB: dict[str, Any] = {
    **forty_days.LONG_REQUEST,
    "risk": {"sl_pct": {"start": 0.5, "stop": 5, "step": 0.5}, "tp_pct": {"start": 1, "stop": 10, "step": 1}},
    "trades_for": 0,
}
"""A search that outlasts whatever is done meanwhile."""

FEW = {
    "token, malformed: SQL",
    "token, none, on every route",
    "CSRF token, wrong",
    "login, replayed",
    "body, too deep, on every route",
    "code, guessed to the lock-out",
    "another user's ids, on every route that takes one",
}
"""One of each topic, in `make test`."""
NO_HTTP = {"token, malformed: very long"}
"""Headers beyond the proxy's 16 kB: it refuses the whole request."""


def token_of(instance: RealInstance, telegram_user_id: int, name: str = "127.0.0.1") -> str:
    with caller_at(instance, name) as caller:
        answer = caller.post(LOGIN, json=fresh_login(telegram_user_id)).raise_for_status()
    return str(answer.json()["token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def caller_at(instance: RealInstance, address: str) -> httpx.Client:
    return httpx.Client(base_url=instance.url, transport=httpx.HTTPTransport(local_address=address), timeout=120)


@contextmanager
def unharmed(instance: RealInstance, what: str) -> Iterator[Asked]:
    """Another user is answered all the time, and being busy is mended by no restart."""
    before = instance.file.restarts
    with other_user_asking(instance.port, token_of(instance, OTHER_USER), what) as asked:
        yield asked
    assert asked.refused == []
    assert asked.seconds
    assert instance.file.restarts == before


@pytest.fixture
def job(instance: RealInstance) -> Iterator[tuple[str, str]]:
    """The attacker's token, and a job of his that goes on."""
    token = token_of(instance, ATTACKER)
    with httpx.Client(base_url=instance.url, headers=bearer(token), timeout=120) as attacker:
        job_id = str(attacker.post("/backtests/jobs", json=JOB).raise_for_status().json()["job_id"])
        yield token, job_id
        attacker.post(f"/backtests/jobs/{job_id}/cancel").raise_for_status()
        wait_until(lambda: attacker.get(f"/backtests/jobs/{job_id}").json()["state"] == "cancelled")


def test_bodies_that_stop_keep_nobody_waiting_and_are_answered(instance: RealInstance) -> None:
    with unharmed(instance, "410 bodies that stop"), many_stalled(instance.port, 410) as connections:
        assert {answer_of(connection).split()[1] for connection in connections} == {"408"}


def test_one_address_cannot_take_all_connections(instance: RealInstance) -> None:
    with unharmed(instance, "300 silent connections of one address"), ExitStack() as opened:
        for _ in range(300):
            with suppress(ConnectionError):  # beyond the limit
                opened.enter_context(silent(instance.port, "127.0.0.8"))
        with caller_at(instance, "127.0.0.8") as client, pytest.raises(httpx.TransportError):
            client.get("/health")


def test_logins_are_counted_by_the_true_address_whatever_is_said_of_it(instance: RealInstance) -> None:
    forged = {"id": 7, "auth_date": 1_735_689_600, "hash": "0" * 64}
    with caller_at(instance, "127.0.0.9") as here, caller_at(instance, "127.0.0.10") as there:
        statuses = [
            here.post(LOGIN, json=forged, headers={"X-Forwarded-For": f"9.9.9.{number}"}).status_code
            for number in range(65)
        ]
        assert set(statuses) == {401, 429}
        assert there.post(LOGIN, json=forged).status_code == 401


def test_a_replica_answers_nobody_who_comes_past_the_proxy(instance: RealInstance) -> None:
    config = next(instance.folder.run_dir.glob("*/haproxy.cfg")).read_text()
    ports = re.findall(r"^    server SERVE_REPLICA\S* 127\.0\.0\.1:(\d+)", config, re.MULTILINE)
    assert ports
    for port in ports:
        for claimed in ({}, {"X-Candleray-Peer": "a-key 9.9.9.9"}):
            assert httpx.get(f"http://127.0.0.1:{port}/health", headers=claimed, timeout=60).status_code == 403


@pytest.mark.parametrize("count", [60, pytest.param(420, marks=pytest.mark.faults)])
def test_event_streams_of_one_user_are_few(instance: RealInstance, job: tuple[str, str], count: int) -> None:
    token, job_id = job
    with unharmed(instance, f"{count} event streams of one user"), ExitStack() as opened:
        statuses = [
            begun(opened.enter_context(asking(instance.port, f"/backtests/jobs/{job_id}/events", token)))
            for _ in range(count)
        ]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) == 8


async def test_a_stream_tells_the_own_runs_events_alone(instance: RealInstance) -> None:
    postgres = await Postgres.open(EmbeddedPostgres(instance.folder).url, max_connections=1)
    told = {}
    try:
        for telegram_user_id in (82, 83):
            headers = bearer(token_of(instance, telegram_user_id))
            async with httpx.AsyncClient(base_url=instance.url, headers=headers, timeout=120) as somebody:
                user_id = UUID((await somebody.get("/me")).json()["user_id"])
                run = await saved_run(postgres, user_id=user_id)
                events = await somebody.get("/events", params={"after": 0, "for_s": 0})
            told[str(run.run_id)] = set(re.findall(r'"run_id":"([0-9a-f-]{36})"', events.text))
    finally:
        await postgres.close()
    assert told == {run_id: {run_id} for run_id in told}


@pytest.mark.faults
def test_five_hundred_readers_of_events_keep_nobody_waiting(instance: RealInstance) -> None:
    """Eight streams of each of 63 users, each user at an address of his own."""
    addresses = [f"127.3.0.{1 + number}" for number in range(63)]
    tokens = {address: token_of(instance, 5000 + place, address) for place, address in enumerate(addresses)}
    with unharmed(instance, "504 readers of events") as asked, ExitStack() as opened:
        streams = [
            opened.enter_context(asking(instance.port, "/events", token, address))
            for address, token in tokens.items()
            for _ in range(8)
        ]
        assert {begun(stream) for stream in streams} == {200}
        asked.seconds.clear()
        time.sleep(LONG_S)
    print(f"504 readers: /me of another at most {max(asked.seconds):.2f} s, {len(asked.seconds)} times asked")
    assert max(asked.seconds) < WAITED_S


def test_a_stream_ends_when_its_token_is_revoked(instance: RealInstance, job: tuple[str, str]) -> None:
    token, job_id = job
    with httpx.Client(base_url=instance.url, headers=bearer(token), timeout=120) as owner:
        made = owner.post("/tokens", json={"name": "watcher"}).raise_for_status().json()
        events: list[str] = []
        with owner.stream("GET", f"/backtests/jobs/{job_id}/events", headers=bearer(made["token"])) as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    events.append(line.removeprefix("event: "))
                if len(events) == 1:
                    owner.delete(f"/tokens/{made['info']['token_id']}")
        assert (events[0], events[-1]) == ("progress", "error")
        assert owner.get(f"/backtests/jobs/{job_id}").json()["state"] in ("queued", "running")


def test_token_requests_at_once_make_no_more_than_one_may_have(instance: RealInstance) -> None:
    token = token_of(instance, 79)

    def make(number: int) -> int:
        return answered(instance.port, "POST", "/tokens", token, json.dumps({"name": f"t{number}"}))[0]

    with unharmed(instance, "200 token requests at once"), ThreadPoolExecutor(200) as pool:
        statuses = list(pool.map(make, range(200)))
    kept = json.loads(answered(instance.port, "GET", "/tokens", token)[1])
    assert statuses.count(200) == len(kept) <= 50
    assert set(statuses) <= {200, 409, 429, 503}


@pytest.mark.parametrize("count", [15, pytest.param(60, marks=pytest.mark.faults)])
def test_nothing_of_strangers_large_bodies_is_held(instance: RealInstance, count: int) -> None:
    path = "/market-data/candles?market_id=1&symbol=BTCUSDT"
    before = memory_of_replicas(instance)
    with unharmed(instance, f"{count} bodies of strangers, of 16.7 MB"), ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(poured, instance.port, path, LARGE_BODY) for _ in range(count)]
        most = before
        while not all(answer.done() for answer in answers):
            most = max(most, memory_of_replicas(instance))
            time.sleep(0.05)
    # Closed while it still sends, a caller may find its answer gone with the connection.
    statuses, sent = zip(*(answer.result() for answer in answers), strict=True)
    assert set(statuses) <= {"401", ""}
    told = f"{before / 1e6:.0f} MB, then at most {most / 1e6:.0f} MB"
    print(f"memory of the replicas: {told}; {sum(sent) / 1e6:.0f} MB were read and forgotten")
    assert most - before < count * LARGE_BODY / 4


def test_every_answer_has_headers_that_keep_browsers_from_misusing_it(instance: RealInstance) -> None:
    wanted = {name.lower() for name in (*SAFE_HEADERS, BUILD_HEADER)}
    with httpx.Client(base_url=instance.url, timeout=120) as client:
        for one in operations():
            answer = client.request(one.method, one.path.replace("{", "").replace("}", ""))
            assert wanted <= set(answer.headers), (
                f"{one}: {answer.status_code} without {wanted - set(answer.headers)}"
            )
        for path in ("/", "/nowhere", "/docs", "/-/routes"):
            assert wanted <= set(client.get(path).headers), path
    for connection in (stalled(instance.port), asking(instance.port, "health", "")):
        with connection:
            head = answer_of(connection).partition("\r\n\r\n")[0].lower()
        assert all(f"\r\n{name}:" in head for name in wanted), head


def test_what_is_no_http_is_refused(instance: RealInstance) -> None:
    with unharmed(instance, f"{len(MALFORMED)} requests that are no HTTP"):
        for name, sent in MALFORMED.items():
            with silent(instance.port) as connection:
                connection.sendall(sent)
                assert answer_of(connection).startswith("HTTP/1.1 400 "), name


NUMBERED = [
    pytest.param(number, attack, id=attack.name, marks=() if attack.name in FEW else pytest.mark.faults)
    for number, attack in enumerate(ATTACKS)
    if attack.name not in NO_HTTP
]


@pytest.mark.parametrize(("number", "attack"), NUMBERED)
async def test_an_attack_is_refused(instance: RealInstance, number: int, attack: Attack) -> None:
    """Each comes from an address of its own: logins of one address are counted."""
    transport = httpx.AsyncHTTPTransport(local_address=f"127.1.{number // 200}.{1 + number % 200}")
    postgres = await Postgres.open(EmbeddedPostgres(instance.folder).url, max_connections=1)
    try:
        async with httpx.AsyncClient(base_url=instance.url, transport=transport, timeout=120) as client:
            target = Target(client, postgres)
            await attack.run(target)
    finally:
        await postgres.close()
    assert attack.failures(target) == []


def test_the_named_ones_are_attacks_of_the_suite() -> None:
    assert {attack.name for attack in ATTACKS} >= FEW | NO_HTTP


LARGE: dict[str, Callable[[int], Any]] = {
    "4,200 silent connections": lambda port: reopened(lambda: silent(port), 4200),
    "410 bodies that stop": lambda port: reopened(lambda: stalled(port), 410),
    "2,000 bodies that stop, of ten addresses": lambda port: reopened(
        lambda: stalled(port, source=f"127.2.0.{random.randint(1, 10)}"), 2000
    ),
}


@pytest.mark.faults
@pytest.mark.parametrize("name", LARGE)
def test_while_it_goes_on_another_user_is_answered_within_a_second(instance: RealInstance, name: str) -> None:
    with unharmed(instance, f"{name}, reopened for {LONG_S:g} s") as asked, LARGE[name](instance.port) as opened:
        time.sleep(LONG_S)
        assert opened.count > 0
    print(f"{name}: {opened.count} opened")
    assert max(asked.seconds) < WAITED_S


def asking(port: int, target: str, token: str, address: str = "") -> socket.socket:
    connection = silent(port, address)
    login = f"Authorization: Bearer {token}\r\n" if token else ""
    return sending(connection, f"GET {target} HTTP/1.1\r\nHost: x\r\n{login}\r\n".encode())


def begun(connection: socket.socket) -> int:
    """The status of an answer that may never end."""
    received = b""
    while b"\r\n" not in received:
        part = connection.recv(4096)
        assert part, "closed without an answer"
        received += part
    return int(received.split()[1])


def memory_of_replicas(instance: RealInstance) -> int:
    total = 0
    for process in instance.processes("ray::ServeReplica"):
        with suppress(Exception):
            total += process.memory_info().rss
    return total
