"""Ray with everything that lives in it, as one part of the instance: watched, and started anew when it is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal

from actors.answering import socket_of
from actors.options import RAY_DRIVER, long_lived_actors
from candleray.errors import ServiceUnavailable, in_words
from candleray.settings import Settings
from cluster.instance.api_deployment import api_url
from cluster.instance.asking import Ask, Asked, grpc_answer, listener_of, unix_answer
from cluster.instance.back_off import BackOff
from cluster.instance.endpoint import Endpoint
from cluster.instance.events import Event, Report
from cluster.instance.instance_file import RayCluster, Restarts
from cluster.instance.ray_boot import RayBoot
from cluster.instance.ray_runtime import DASHBOARD_SILENT
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import process_of

API_ATTEMPTS = 8
"""Longer than Serve itself takes to replace replicas or proxies, each two seconds."""
DASHBOARD_ATTEMPTS = 5
FIRST_STARTS = 3
TOO_SLOW = ("timed out during startup", DASHBOARD_SILENT)
"""Words where its node took more than 30 s, or its dashboard more than 60, its own limits: seen on two cores
beside two busy loops."""


class RayPart:
    """`start` it, then `look` after it again and again, `stop` it at the end."""

    name = "ray"

    def __init__(
        self, settings: Settings, folder: DataFolder, app: str, report: Report, publish: Callable[[], None]
    ) -> None:
        """
        Args:
            publish: called when what others must know of it has changed: its boot, state or addresses.
        """
        self.settings = settings
        self.folder = folder
        self.app = app
        self.report = report
        self.publish = publish
        self.state: Literal["starting", "ready", "restarting"] = "starting"
        self.restarts: dict[str, Restarts] = {}
        self.boot = self._next_boot()
        self._runs = False
        self._reason = ""
        self._back_off = BackOff()
        self._endpoints: list[Endpoint] = []
        self._asked: list[Asked] = []
        self._actors = long_lived_actors(settings)

    @property
    def cluster(self) -> RayCluster | None:
        return self.boot.cluster

    def start(self) -> None:
        """Start it for the first time and wait until it is ready.

        Raises:
            CandlerayError: it does not start.
        """
        self._runs = True
        for left in reversed(range(FIRST_STARTS)):
            self.publish()
            self.boot.start()
            reason = self._until_ready()
            if not reason:
                return
            if not left or not any(words in reason for words in TOO_SLOW):
                raise ServiceUnavailable(reason)
            self.report(Event("noticed", self.name, "took longer than it waits for itself, is started again"))
            self.boot.kill()
            self.boot = self._next_boot()

    def _until_ready(self) -> str:
        """Wait; return why it did not start, or nothing."""
        while self.state != "ready":
            if reason := self._progress():
                return reason
            time.sleep(0.05)
        return ""

    def look(self) -> None:
        """Do what is due, without waiting for anything: mend it, end what is lost, start it again."""
        if not self._runs:
            if self._back_off.is_over():
                self._start_again()
        elif reason := self._progress() or self._silence() or self._hanging():
            self._lose(reason)

    def stop(self) -> None:
        self._ask_nobody()
        self.boot.stop()

    def _next_boot(self) -> RayBoot:
        return RayBoot(self.settings, self.folder, self.app, self._report)

    def _report(self, event: Event) -> None:
        self.report(event)
        if event.kind == "started" and event.part in ("ray", "dashboard"):
            self._endpoints = self._all_endpoints()
            self.publish()

    def _progress(self) -> str:
        reason = self.boot.follow()
        if self.boot.is_ready and not reason and self.state != "ready":
            self._become_ready()
        return reason

    def _become_ready(self) -> None:
        again = self.state == "restarting"
        self.state = "ready"
        self._back_off.started()
        self._asked = self._all_asked()
        for asked in self._asked:
            asked.start()
        self._endpoints = self._all_endpoints()
        if again:
            self.publish()
            self.report(Event("noticed", self.name, "is ready again"))

    def _all_endpoints(self) -> list[Endpoint]:
        ours = self.settings.services.ray_address is None
        door = self.folder.probe_socket if ours else None
        found = [Endpoint("api", f"{api_url(self.settings)}/health", API_ATTEMPTS, door=door)]
        if self.cluster and self.cluster.dashboard_url and self.cluster.vital:
            url, process = f"{self.cluster.dashboard_url}/api/version", process_of(self.cluster.dashboard_pid)
            found.append(Endpoint("dashboard", url, DASHBOARD_ATTEMPTS, process))
        return found

    def _silence(self) -> str:
        """Return what is wrong with the part that does not answer although it was started again; else nothing."""
        for endpoint in self._endpoints if self.state == "ready" else ():
            advice = endpoint.look()
            if advice == "lost":
                return f"{endpoint.name} does not answer"
            if advice == "mend":
                self._count(endpoint.name, "did not answer")
                self.report(Event("noticed", endpoint.name, "does not answer, is started again"))
                self.boot.start_again(endpoint.name)
        return ""

    def _all_asked(self) -> list[Asked]:
        """The driver; where the cluster is our own, its head and the actors too."""
        questions: dict[str, Ask] = {RAY_DRIVER: partial(unix_answer, self._socket(RAY_DRIVER))}
        if self.cluster and self.cluster.raylet_address:
            questions |= {
                "gcs_server": partial(grpc_answer, self.cluster.address),
                "raylet": partial(grpc_answer, self.cluster.raylet_address),
                **{actor: partial(unix_answer, self._socket(actor)) for actor in self._actors},
            }
        return [Asked(name, ask) for name, ask in questions.items()]

    def _hanging(self) -> str:
        """Kill an actor that does not answer, which Ray starts again; return what else does not, if anything."""
        for asked in self._asked:
            if not asked.is_silent():
                continue
            if asked.name not in self._actors:
                return f"{asked.name} does not answer"
            if pid := listener_of(self._socket(asked.name)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                self._count(asked.name, "did not answer")
                self.report(Event("noticed", asked.name, f"does not answer, process {pid} is killed"))
        return ""

    def _socket(self, part: str) -> Path:
        return socket_of(self.boot.ray_dir, part)

    def _ask_nobody(self) -> None:
        for asked in self._asked:
            asked.stop()
        self._asked = []

    def _count(self, part: str, reason: str) -> None:
        self.restarts[part] = Restarts.after(self.restarts.get(part), reason)
        self.publish()

    def _lose(self, reason: str) -> None:
        self.state, self._runs, self._reason = "restarting", False, reason
        self._ask_nobody()
        self.publish()
        try:
            self.boot.kill()
        finally:
            pause_s = self._back_off.ended()
        when = f"in {pause_s:g} s" if pause_s else "now"
        self.report(Event("noticed", self.name, f"is lost: {reason}; starts again {when}"))

    def _start_again(self) -> None:
        self.boot.kill()  # again: a failure may have left some of it
        self._count(self.name, self._reason)
        self.boot, self._runs = self._next_boot(), True
        self.publish()  # before it starts: a killed supervisor's successor must find what runs
        try:
            self.boot.start()
        except Exception as error:  # noqa: BLE001 - it is tried again, whatever it was
            self._lose(in_words(error))
