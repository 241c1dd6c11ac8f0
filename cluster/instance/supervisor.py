"""The supervisor: one process that starts the parts of an instance in order, watches them, stops them in reverse.

    data folder   locked, so that it is this instance's alone
    postgres      from its wheel, or the server that the settings name
    valkey        likewise
    simulator     where the settings want simulated exchanges
    ray           with the candle store and the API: see `cluster.instance.ray_driver`

Each part is a context manager: before its `yield` it starts, after it stops. Where a part has an address that
later ones need, it puts it into the settings, which everything that Ray starts inherits. A part that ends is
started again, with pauses that grow while it does not last, until a signal ends the instance. Whatever a look at a
part raises, the looks go on (`cluster.instance.watch`).

However this process ends, nothing is lost and the next start recovers: the lock goes with the process, Ray's
processes do too, Postgres and Valkey live on and are attached to.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import SecretStr

from candleray.build import own_build
from candleray.databases.statements import migrations
from candleray.disk_room import require_room
from candleray.errors import CandlerayError, InstanceError, in_words
from candleray.identity.local_secrets import with_local_secrets
from candleray.logs import configure_logs
from candleray.settings import Settings, get_settings
from cluster.instance.api_deployment import api_url
from cluster.instance.asking import Asked, unix_answer
from cluster.instance.cautions import cautions
from cluster.instance.events import Event, Report, own_pipe, reported, to_log, unfailing, until_started
from cluster.instance.instance_file import Instance, State, known_copy, read_instance
from cluster.instance.ray_part import RayPart
from cluster.instance.watch import Look, Watch
from cluster.instance.watched_service import WatchedService
from cluster.machine.data_folder import DataFolder
from cluster.machine.exit_signals import stop_on_signals
from cluster.machine.leftovers import kill_leftovers
from cluster.machine.ports import own_port
from cluster.machine.processes import start_ticks
from cluster.monitoring.targets import write_targets
from cluster.server.readiness import tell_ready
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_service import EmbeddedService
from cluster.services.embedded_valkey import EmbeddedValkey
from cluster.services.outside_services import require_common_services, require_reachable
from cluster.services.simulated_exchanges import SimulatedExchanges, asking, require_own_candles

WATCH_S = 0.5

Part = Callable[[], AbstractContextManager[str]]

SIMULATOR_SILENCES = 12
"""Questions without an answer, in about a minute: fast ones take all of a core, and nobody trades by them."""


class Supervisor:
    """Runs one instance, from `run` until a signal; `report` is told of every step."""

    def __init__(self, settings: Settings, app: str, report: Report) -> None:
        self.settings = settings
        self.app = app
        self.report = unfailing(report)
        self.folder = DataFolder(settings.data_path)
        self.services: list[WatchedService] = []
        self.ray: RayPart | None = None
        self.watch = Watch({}, self.report)
        self.instance = Instance(
            pid=os.getpid(),
            start_ticks=start_ticks(os.getpid()) or 0,
            boot="",
            state="starting",
            data_dir=self.folder.path,
            started_at=datetime.now(UTC),
            build=own_build(),
            cautions=cautions(settings),
            api_url=api_url(settings),
            api_port=settings.api.port,
        )
        self._written: Instance | None = None

    def run(self) -> None:
        """Start, watch until SIGINT, SIGTERM or SIGHUP, stop.

        Raises:
            InstanceError: the folder or a port is somebody else's.
            ServiceUnavailable: a part does not start.
            KeyboardInterrupt: a signal came before it was ready; what had started is stopped.
        """
        known = self._migrations()  # before the settings name what is embedded
        parts: dict[str, Part] = {
            "data folder": self._data_folder,
            **({"simulator": self._simulator} if self.settings.simulator.enabled else {}),
            "postgres": lambda: self._service(EmbeddedPostgres, "postgres_url"),
            "valkey": lambda: self._service(EmbeddedValkey, "redis_url"),
        }
        stop_on_signals()
        with ExitStack() as started:
            for name, part in parts.items():
                started.enter_context(reported(self.report, name, part()))
            self.folder.inventory.note_migrations(known)
            started.enter_context(self._ray())
            with suppress(KeyboardInterrupt):
                self._publish()
                for about, caution in self.instance.cautions.items():
                    self.report(Event("noticed", about, caution))
                self.report(Event("ready"))
                tell_ready()
                self._watch()
            self._publish("stopping")

    @contextmanager
    def _data_folder(self) -> Iterator[str]:
        require_common_services(self.settings.services)
        require_own_candles(self.settings)
        self.folder.prepare()
        require_room(self.folder.path)
        with self.folder.locked():
            self.folder.make_run_dir()
            _ = self.folder.place  # from here on it must stay
            killed = self._killed()
            self._publish("starting")
            try:
                if killed:
                    kill_leftovers(killed.boot, str(self.folder.ray_dir(killed.boot)))
                self.folder.require_parts()
                self.folder.inventory.require_migrations(self._migrations())
                self.folder.inventory.require_origin(simulated=self.settings.simulator.enabled)
                self.folder.require_free_candles()
                self.settings = with_local_secrets(self.settings)
                with self._api_port():
                    yield str(self.folder)
                self.folder.forget_run_dirs()
            finally:
                for file in (self.folder.instance_file, self.folder.instance_copy):
                    with suppress(OSError):  # the folder may be gone
                        file.unlink(missing_ok=True)

    def _killed(self) -> Instance | None:
        """The instance that was killed here, if one was.

        Raises:
            InstanceError: the process of a recorded one lives: what it owns is not ours to end.
        """
        for recorded in (read_instance(self.folder), known_copy(self.folder)):
            if recorded and recorded.lives() and recorded.pid != os.getpid():
                if recorded.data_dir == self.folder.path:
                    raise InstanceError(
                        f"the instance of process {recorded.pid} still runs, though its data folder was removed "
                        f"or replaced: stop it with `candleray down --data {self.folder}` first"
                    )
                return None  # this folder is a copy of its one
        return read_instance(self.folder)

    def _migrations(self) -> dict[str, int]:
        """The newest migration that this version knows of each database in the folder."""
        services = self.settings.services
        embedded = {"postgres": services.postgres_url is None, "clickhouse": services.clickhouse_url is None}
        return {name: migrations(name)[-1].number for name, is_here in embedded.items() if is_here}

    def _api_port(self) -> AbstractContextManager[None]:
        if self.settings.services.ray_address is None:
            return own_port(self.settings.api.host, self.settings.api.port)
        return nullcontext()

    @contextmanager
    def _simulator(self) -> Iterator[str]:
        """The exchanges of an instance without a network; all that asks exchanges asks these."""
        exchanges = SimulatedExchanges(self.folder, self.settings.simulator)
        asked = Asked(exchanges.name, exchanges.ask, silences=SIMULATOR_SILENCES)
        try:
            how = exchanges.start()
            self.settings = asking(exchanges.url, self.settings)
            self.services.append(WatchedService(exchanges, asked=asked))
            asked.start()
            yield f"{how}, {exchanges.url}: no candle here is real"
        finally:
            asked.stop()
            exchanges.stop()

    @contextmanager
    def _service(self, kind: type[EmbeddedService], setting: str) -> Iterator[str]:
        given: SecretStr | None = getattr(self.settings.services, setting)
        if given:
            yield f"at {require_reachable(given, setting)}"
            return
        service = kind(self.folder)
        asked = Asked(service.name, partial(unix_answer, service.socket, service.question))
        try:
            how = service.start()
            self._know(setting, SecretStr(service.url))
            self.services.append(WatchedService(service, asked=asked))
            asked.start()
            yield f"{how}, {service.data}"
        finally:
            asked.stop()
            service.stop()

    @contextmanager
    def _ray(self) -> Iterator[None]:
        if self.settings.services.clickhouse_url is None:
            self.folder.begin_candles()
            self._know("clickhouse_url", SecretStr(f"chdb://{self.folder.clickhouse}"))
        self.ray = RayPart(self.settings, self.folder, self.app, self.report, self._publish)
        try:
            self.ray.start()
            yield
        finally:
            self.ray.stop()

    def _know(self, setting: str, url: SecretStr) -> None:
        services = self.settings.services.model_copy(update={setting: url})
        self.settings = self.settings.model_copy(update={"services": services})

    def _publish(self, state: State | None = None) -> None:
        """Write what others are to know; in `state`, or in Ray's."""
        changes: dict[str, Any] = {"state": state or (self.ray.state if self.ray else "starting")}
        if self.ray:
            changes["boot"] = self.ray.boot.boot_id
        if self.ray and self.ray.cluster:
            changes |= {
                "ray_address": self.ray.cluster.address,
                "dashboard_url": self.ray.cluster.dashboard_url,
                "metrics_urls": self.ray.cluster.metrics_urls,
                "ray_token": self.ray.cluster.token,
            }
        restarts = {service.name: service.restarts for service in self.services if service.restarts}
        changes["restarts"] = restarts | (self.ray.restarts if self.ray else {})
        changes["troubles"] = self.watch.troubles
        self.instance = self.instance.model_copy(update=changes)
        try:
            self._write()
        except (InstanceError, OSError) as error:
            if changes["state"] == "starting":
                raise InstanceError(f"cannot write {self.folder.instance_file}: {in_words(error)}") from error

    def _write(self) -> None:
        self.instance.write(self.folder)
        write_targets(self.folder.monitoring, self.instance)
        self._written = self.instance

    def _watch(self) -> None:
        looks: dict[str, Look] = {
            **{service.name: partial(self._look_after, service) for service in self.services},
            **({self.ray.name: self.ray.look} if self.ray else {}),
            "disk": partial(require_room, self.folder.path),
            "instance": self._keep_published,
        }
        self.watch = Watch(looks, self.report)
        while True:
            time.sleep(WATCH_S)
            self.watch.look()

    def _look_after(self, service: WatchedService) -> None:
        if said := service.revive():
            self.report(Event("noticed", service.name, said))
            self._publish()

    def _keep_published(self) -> None:
        """Write the instance file again where it could not be written, or has gone, or troubles came or went."""
        self.instance = self.instance.model_copy(update={"troubles": self.watch.troubles})
        has_gone = self.folder.place.fault() or not self.folder.instance_file.exists()
        if self._written != self.instance or has_gone:
            self._write()


def main(app: str, descriptor: int) -> int:
    """The detached instance: settings from the environment; its start is told to the pipe besides the log."""
    settings = get_settings()
    configure_logs(settings.log_level)
    tell_parent = until_started(own_pipe(descriptor))

    def report(event: Event) -> None:
        to_log(event)
        tell_parent(event)

    try:
        Supervisor(settings, app, report).run()
    except CandlerayError as error:
        report(Event("failed", detail=in_words(error)))
        return 1
    except KeyboardInterrupt:
        report(Event("failed", detail="stopped by a signal while it started"))
        return 1
    except Exception as error:  # noqa: BLE001 - outermost: the log and the waiting parent learn of whatever it was
        with suppress(OSError):
            traceback.print_exc()
        report(Event("failed", detail=in_words(error)))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
