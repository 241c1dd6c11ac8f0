"""Checks of the services: those of the settings answer as what they are, the others have programs here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.util import find_spec

import httpx

from candleray.databases.clickhouse import ClickHouse
from candleray.databases.valkey import Valkey
from candleray.errors import CandlerayError
from candleray.exchanges.discovery import exchange_of
from candleray.markets import MARKETS
from candleray.network.clients import client, failure_in_words
from cluster.backups.database_dump import PostgresDump
from cluster.doctor.finding import Finding, Patient, fault, good, warning
from cluster.services.embedded_postgres import postgres_program
from cluster.services.embedded_service import missing_wheel
from cluster.services.embedded_valkey import valkey_program
from cluster.services.outside_services import require_common_services, require_reachable

WITHIN_S = 5.0


def postgres(patient: Patient) -> Iterator[Finding]:
    url = patient.settings.services.postgres_url
    if url is None:
        yield good("postgres", f"embedded, {postgres_program('postgres')}")
        return
    where = require_reachable(url, "postgres_url")
    try:
        number = PostgresDump(url.get_secret_value()).server_version()
    except CandlerayError as error:
        yield fault(
            "postgres", f"{where}: {error.message}", "correct services.postgres_url: user, password, database"
        )
        return
    yield good("postgres", f"{where} is Postgres {number}")


def valkey(patient: Patient) -> Iterator[Finding]:
    url = patient.settings.services.redis_url
    if url is None:
        yield good("valkey", f"embedded, {valkey_program()}")
        return
    where = require_reachable(url, "redis_url")
    policy = asyncio.run(_eviction(url.get_secret_value()))
    if policy not in ("noeviction", ""):
        yield warning(
            "valkey", f"{where} forgets entries when it is full ({policy})", "set maxmemory-policy noeviction"
        )
    else:
        yield good("valkey", f"{where} answers")


async def _eviction(url: str) -> str:
    """Ask the server for what it does when it is full; nothing where it does not tell."""
    store = await Valkey.open(url)
    try:
        return await store.eviction_policy()
    finally:
        await store.close()


def clickhouse(patient: Patient) -> Iterator[Finding]:
    url = patient.settings.services.clickhouse_url
    if url is not None:
        where = require_reachable(url, "clickhouse_url")
        ClickHouse.open(url.get_secret_value()).close()
        yield good("clickhouse", f"{where} answers")
        return
    if find_spec("chdb") is None:
        raise missing_wheel("chdb", "clickhouse_url")
    if patient.running is None:
        patient.folder.require_free_candles()
    yield good("clickhouse", "embedded")


def ray(patient: Patient) -> Iterator[Finding]:
    address = patient.settings.services.ray_address
    if address is None:
        yield good("ray", "started by the instance")
        return
    require_common_services(patient.settings.services)
    yield good("ray", f"{address}; its services are reached by all")


def exchanges(patient: Patient) -> Iterator[Finding]:
    """Ask each address once; any answer will do."""
    if patient.settings.simulator.enabled:
        yield good("exchanges", "simulated")
        return
    given = patient.settings.history.base_urls
    addresses = {given.get(market.name) or exchange_of(market).api(market).base_url for market in MARKETS.values()}
    for address in sorted(addresses):
        if failure := _failure(httpx.URL(address)):
            yield warning(
                "exchanges",
                f"{address} does not answer: {failure}",
                "open the way out, name a proxy in HTTPS_PROXY, or set history.base_urls",
            )
        else:
            yield good("exchanges", f"{address} answers")


def _failure(url: httpx.URL) -> str:
    try:
        with client(url, timeout=WITHIN_S) as asked:
            asked.get("/")
    except httpx.HTTPError as error:
        return failure_in_words(error, url)
    except CandlerayError as error:
        return error.message
    return ""
