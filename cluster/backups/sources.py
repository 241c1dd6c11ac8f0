"""The databases of an instance, for a backup of it: as they run, or opened for the time where it is down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from candleray.errors import InstanceError, ServiceUnavailable, first_line
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import StoreCall
from candleray.settings import Settings
from cluster.backups.database_dump import PostgresDump
from cluster.instance.instance_file import Instance, running_instance
from cluster.machine.data_folder import DataFolder
from cluster.services.embedded_postgres import EmbeddedPostgres


@dataclass(frozen=True)
class Sources:
    postgres: PostgresDump
    candles: StoreCall


@contextmanager
def open_sources(settings: Settings, folder: DataFolder) -> Iterator[Sources]:
    """
    Raises:
        InstanceError: it starts or stops at this moment, or there is none in the folder.
        ServiceUnavailable: a database does not answer.
    """
    instance = running_instance(folder)
    opened = _of_running(settings, folder, instance) if instance else _of_stopped(settings, folder)
    with opened as sources:
        yield sources


@contextmanager
def _of_running(settings: Settings, folder: DataFolder, instance: Instance) -> Iterator[Sources]:
    if instance.state != "ready":
        raise InstanceError(f"the instance in {folder} is {instance.state}: try again when it is ready")
    postgres = PostgresDump(postgres_url(settings, folder))
    if settings.services.clickhouse_url:
        with stored_candles(settings, folder) as store:
            yield Sources(postgres, called(store))
        return
    with _joined(instance):
        from actors.candle_store import ActorCall

        embedded = SecretStr(f"chdb://{folder.clickhouse}")
        services = settings.services.model_copy(update={"clickhouse_url": embedded})
        yield Sources(postgres, ActorCall(settings.model_copy(update={"services": services})))


@contextmanager
def _of_stopped(settings: Settings, folder: DataFolder) -> Iterator[Sources]:
    if not folder.inventory.file.exists():
        raise InstanceError(f"there is no instance in {folder}: name its folder by --data")
    with folder.locked():
        folder.require_parts()
        folder.make_run_dir()
        with started_postgres(settings, folder) as postgres, stored_candles(settings, folder) as store:
            yield Sources(postgres, called(store))


@contextmanager
def started_postgres(settings: Settings, folder: DataFolder) -> Iterator[PostgresDump]:
    """The Postgres of a folder that is locked, started for the time; or the server that the settings name."""
    if settings.services.postgres_url:
        yield PostgresDump(settings.services.postgres_url.get_secret_value())
        return
    service = EmbeddedPostgres(folder)
    try:
        service.start()
        yield PostgresDump(service.url)
    finally:
        service.stop()


@contextmanager
def stored_candles(settings: Settings, folder: DataFolder) -> Iterator[CandleStore]:
    """The candle store, opened in this process."""
    url = settings.services.clickhouse_url
    if url is None:
        folder.require_free_candles()
    store = CandleStore.open(url.get_secret_value() if url else f"chdb://{folder.clickhouse}")
    try:
        yield store
    finally:
        store.close()


def postgres_url(settings: Settings, folder: DataFolder) -> str:
    given = settings.services.postgres_url
    return given.get_secret_value() if given else EmbeddedPostgres(folder).url


def called(store: CandleStore) -> StoreCall:
    """Calls of the copies of a store in this process."""

    async def call(method: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(store.copies, method), *arguments)

    return call


@contextmanager
def _joined(instance: Instance) -> Iterator[None]:
    """Join the instance's Ray as one who only asks.

    Ray reads how it is to prove itself when it is imported: nothing may import it before.
    """
    if instance.ray_token and not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(instance.ray_token)}
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    from cluster.instance.ray_runtime import QUIET

    try:
        ray.init(instance.ray_address, **QUIET)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        raise ServiceUnavailable(f"the instance's Ray at {instance.ray_address}: {first_line(exc)}") from exc
    try:
        yield
    finally:
        ray.shutdown()
