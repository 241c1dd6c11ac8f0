"""The supervisor: one process that starts the parts of an instance in order, watches them, stops them in reverse.

    data folder   locked, so that it is this instance's alone
    postgres      from its wheel, or the server that the settings name
    valkey        likewise
    ray           our own cluster, or the one that the settings name
    candle store  the actor that owns the candles
    api           Ray Serve behind HAProxy

Each part is a context manager: before its `yield` it starts, after it stops. Where a part has an address that
later ones need, it puts it into the settings, which everything that Ray starts inherits.

However this process ends, nothing is lost and the next start recovers: the lock goes with the process, Ray's
processes do too, Postgres and Valkey live on and are attached to.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from pydantic import SecretStr

from candleray.errors import CandlerayError
from candleray.logs import configure_logs
from candleray.settings import Settings, get_settings
from cluster import api, runtime
from cluster.data_folder import DataFolder
from cluster.events import Event, Report, to_log, to_pipe
from cluster.instance import Instance, State, read_instance, start_ticks
from cluster.leftovers import kill_leftovers
from cluster.outside import require_common_services, require_reachable
from cluster.ports import block_for, require_free
from cluster.postgres import Postgres
from cluster.runtime import RayCluster, own_error
from cluster.service import EmbeddedService
from cluster.valkey import Valkey

WATCH_S = 1.0
LONGEST_PAUSE_S = 30.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Part = Callable[[], AbstractContextManager[str]]


class Supervisor:
    """Runs one instance, from `run` until a signal; `report` is told of every step."""

    def __init__(self, settings: Settings, app: str, report: Report) -> None:
        self.settings = settings
        self.app = app
        self.report = report
        self.folder = DataFolder(settings.data_path)
        self.watched: list[WatchedService] = []
        self.ray: RayCluster | None = None
        self.instance = Instance(
            pid=os.getpid(),
            start_ticks=start_ticks(os.getpid()) or 0,
            boot=secrets.token_hex(4),
            state="starting",
            data_dir=self.folder.path,
            started_at=datetime.now(UTC),
            api_url=api.api_url(settings),
            api_port=settings.api.port,
        )

    def run(self) -> None:
        """Start, watch until SIGINT, SIGTERM or SIGHUP, stop.

        Raises:
            InstanceError: the folder or a port is somebody else's.
            ServiceUnavailable: a part does not start, or Ray is lost.
            KeyboardInterrupt: a signal came before it was ready; what had started is stopped.
        """
        parts: dict[str, Part] = {
            "data folder": self._data_folder,
            "postgres": lambda: self._service(Postgres, "postgres_url"),
            "valkey": lambda: self._service(Valkey, "redis_url"),
            "ray": self._ray_cluster,
            "candle store": self._candle_store,
            "api": lambda: api.deployed(self.settings, self.app),
        }
        stop_on_signals()
        with ExitStack() as started:
            for name, part in parts.items():
                started.enter_context(self._reported(name, part()))
            self._publish("ready")
            self.report(Event("ready"))
            with suppress(KeyboardInterrupt):
                self._watch()
            self._publish("stopping")

    @contextmanager
    def _reported(self, name: str, part: AbstractContextManager[str]) -> Iterator[None]:
        began = time.perf_counter()
        with part as detail:
            self.report(Event("started", name, detail, time.perf_counter() - began))
            yield
            began = time.perf_counter()
        self.report(Event("stopped", name, seconds=time.perf_counter() - began))

    @contextmanager
    def _data_folder(self) -> Iterator[str]:
        require_common_services(self.settings.services)
        self.folder.prepare()
        with self.folder.locked():
            killed = read_instance(self.folder)
            self._publish("starting")
            try:
                if killed:
                    kill_leftovers(killed.boot, str(self.folder.ray_dir(killed.boot)))
                self.folder.require_free_candles()
                if self.settings.services.ray_address is None:
                    require_free(self.settings.api.host, self.settings.api.port)
                yield str(self.folder)
                self.folder.forget_run_dirs()
            finally:
                self.folder.instance_file.unlink(missing_ok=True)

    @contextmanager
    def _service(self, kind: type[EmbeddedService], setting: str) -> Iterator[str]:
        given: SecretStr | None = getattr(self.settings.services, setting)
        if given:
            yield f"at {require_reachable(given, setting)}"
            return
        service = kind(self.folder)
        try:
            how = service.start()
            self._know(setting, SecretStr(service.url))
            self.watched.append(WatchedService(service))
            yield f"{how}, {service.data}"
        finally:
            service.stop()

    @contextmanager
    def _ray_cluster(self) -> Iterator[str]:
        if self.settings.services.clickhouse_url is None:
            self._know("clickhouse_url", SecretStr(f"chdb://{self.folder.clickhouse}"))
        joined = self.settings.services.ray_address is not None
        cluster = (
            runtime.joined_cluster(self.settings)
            if joined
            else runtime.ray_cluster(
                self.settings, self.folder, block_for(self.settings.api.port), self.instance.boot
            )
        )
        with cluster as self.ray:
            stop_on_signals()  # Ray sets its own handler
            self._publish("starting")
            dashboard = f", dashboard {self.ray.dashboard_url}" if self.ray.dashboard_url else ""
            yield f"{'joined' if joined else 'started'}, {self.ray.address}{dashboard}"

    @contextmanager
    def _candle_store(self) -> Iterator[str]:
        import ray

        from actors.candle_store import candle_store

        store = candle_store(self.settings)
        ray.get(store.ping.remote())
        where = self.settings.services.clickhouse_url
        yield f"at {require_reachable(where, 'clickhouse_url')}" if where else ""
        ray.kill(store)

    def _know(self, setting: str, url: SecretStr) -> None:
        services = self.settings.services.model_copy(update={setting: url})
        self.settings = self.settings.model_copy(update={"services": services})

    def _publish(self, state: State) -> None:
        changes: dict[str, Any] = {"state": state}
        if self.ray:
            changes |= {
                "ray_address": self.ray.address,
                "dashboard_url": self.ray.dashboard_url,
                "metrics_urls": self.ray.metrics_urls,
                "ray_token": self.ray.token,
            }
        self.instance = self.instance.model_copy(update=changes)
        self.instance.write(self.folder)

    def _watch(self) -> None:
        while True:
            time.sleep(WATCH_S)
            for service in self.watched:
                if said := service.revive():
                    self.report(Event("noticed", service.name, said))
            if self.ray:
                self.ray.require_alive()


class WatchedService:
    """Starts an embedded service again when it has ended, after pauses that double while it does not last."""

    def __init__(self, service: EmbeddedService) -> None:
        self.service = service
        self.name = service.name
        self._pause_s = WATCH_S
        self._again_at = 0.0

    def revive(self) -> str:
        """What was done, if anything."""
        now = time.monotonic()
        if self.service.runs() or now < self._again_at:
            return ""
        lasted = now - self._again_at > 2 * LONGEST_PAUSE_S
        self._pause_s = WATCH_S if lasted else min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._again_at = now + self._pause_s
        try:
            return f"had ended, {self.service.start()} again"
        except CandlerayError as error:
            return f"has ended and does not start: {error.message}"


def stop_on_signals() -> None:
    """The first signal stops the instance; the following ones cannot interrupt its stopping."""

    def stop(number: int, frame: FrameType | None) -> None:
        for other in SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    for one in SIGNALS:
        signal.signal(one, stop)


def main(app: str, descriptor: int) -> int:
    """The detached instance: settings from the environment; its start is told to the pipe besides the log."""
    settings = get_settings()
    configure_logs(settings.log_level)
    tell_parent = to_pipe(os.fdopen(descriptor, "w"))

    def report(event: Event) -> None:
        to_log(event)
        tell_parent(event)

    try:
        Supervisor(settings, app, report).run()
    except CandlerayError as error:
        report(Event("failed", detail=own_error(error).args[0]))
        return 1
    except KeyboardInterrupt:
        report(Event("failed", detail="stopped by a signal while it started"))
        return 1
    except Exception as error:  # noqa: BLE001 - outermost: the log and the waiting parent learn of whatever it was
        traceback.print_exc()
        report(Event("failed", detail=f"{type(error).__name__}: {error}"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
