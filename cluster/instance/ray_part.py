"""Ray with everything that lives in it, as one part of the instance: watched, and started anew when it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from candleray.errors import ServiceUnavailable
from candleray.settings import Settings
from cluster.instance.api_deployment import api_url
from cluster.instance.back_off import BackOff
from cluster.instance.endpoint import Endpoint
from cluster.instance.events import Event, Report
from cluster.instance.instance_file import RayCluster, Restarts
from cluster.instance.ray_boot import RayBoot
from cluster.instance.watch import in_words
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import process_of

API_ATTEMPTS = 8
"""Longer than Serve itself takes to replace replicas or proxies, each two seconds."""
DASHBOARD_ATTEMPTS = 5


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

    @property
    def cluster(self) -> RayCluster | None:
        return self.boot.cluster

    def start(self) -> None:
        """Start it for the first time and wait until it is ready.

        Raises:
            CandlerayError: it does not start.
        """
        self._runs = True
        self.publish()
        self.boot.start()
        while self.state != "ready":
            if reason := self._progress():
                raise ServiceUnavailable(reason)
            time.sleep(0.05)

    def look(self) -> None:
        """Do what is due, without waiting for anything: mend it, end what is lost, start it again."""
        if not self._runs:
            if self._back_off.is_over():
                self._start_again()
        elif reason := self._progress() or self._silence():
            self._lose(reason)

    def stop(self) -> None:
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
        self._endpoints = self._all_endpoints()
        if again:
            self.publish()
            self.report(Event("noticed", self.name, "is ready again"))

    def _all_endpoints(self) -> list[Endpoint]:
        found = [Endpoint("api", f"{api_url(self.settings)}/health", API_ATTEMPTS)]
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

    def _count(self, part: str, reason: str) -> None:
        self.restarts[part] = Restarts.after(self.restarts.get(part), reason)
        self.publish()

    def _lose(self, reason: str) -> None:
        self.state, self._runs, self._reason = "restarting", False, reason
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
