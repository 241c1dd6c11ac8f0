"""Prometheus, blackbox and Alertmanager beside an instance, as processes of their own that outlive its restarts.

The machine's processes tell which run, by the file that each was started with: nothing is noted that a kill could
leave wrong.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from candleray.errors import InstanceError, NotFound
from candleray.network.clients import probe
from cluster.machine.child_environment import inherited
from cluster.machine.data_folder import DataFolder
from cluster.machine.polls import polls
from cluster.machine.ports import first_free
from cluster.machine.processes import answers_of, end_process, is_running
from cluster.monitoring.configuration import Chat, Ports, write_configuration

HOST = "127.0.0.1"
READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 20.0
KEPT = ("--storage.tsdb.retention.time=30d", "--storage.tsdb.retention.size=2GB")
"""Bounds of what Prometheus keeps, so that it never fills the disk of the instance."""


@dataclass(frozen=True)
class Tool:
    """One of the programs, by the names under which distributions and its makers have it."""

    name: str
    programs: tuple[str, ...]
    first_port: int
    ready: str

    def program(self) -> str:
        """
        Raises:
            NotFound: it is not installed.
        """
        found = next(filter(None, map(shutil.which, self.programs)), None)
        if found is None:
            raise NotFound(
                f"{self.name} is not installed: `apt-get install prometheus prometheus-blackbox-exporter "
                "prometheus-alertmanager`, or put its program on the PATH"
            )
        return found


PROMETHEUS = Tool("prometheus", ("prometheus",), 9090, "/-/ready")
BLACKBOX = Tool("blackbox", ("prometheus-blackbox-exporter", "blackbox_exporter"), 9115, "/-/healthy")
ALERTMANAGER = Tool("alertmanager", ("prometheus-alertmanager", "alertmanager"), 9093, "/-/ready")
TOOLS = (BLACKBOX, ALERTMANAGER, PROMETHEUS)


@dataclass(frozen=True)
class Running:
    tool: Tool
    process: psutil.Process
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


class Stack:
    def __init__(self, folder: DataFolder, tools: Sequence[Tool] = TOOLS) -> None:
        self._folder = folder
        self._tools = tools
        self._place = folder.monitoring
        self._children: list[subprocess.Popen[bytes]] = []
        """Kept: collected unseen, one would warn that its process runs."""

    def running(self) -> list[Running]:
        return list(filter(None, map(self._find, self._tools)))

    def up(self, chat: Chat | None) -> list[Running]:
        """Start what does not run; what runs stays as it is.

        Raises:
            NotFound: a program is not installed; none was started.
            InstanceError: one does not start; those that were started are stopped.
        """
        programs = {tool: tool.program() for tool in self._tools}
        there = {one.tool: one for one in self.running()}
        ports = {tool: there[tool].port if tool in there else first_free(HOST, tool.first_port) for tool in TOOLS}
        known = Ports(ports[PROMETHEUS], ports[BLACKBOX], ports[ALERTMANAGER])
        write_configuration(self._place, known, chat)
        started: list[Running] = []
        try:
            for tool in self._tools:
                if tool not in there:
                    started += [self._start(tool, programs[tool], ports[tool])]  # each at once: the next may fail
            for one in started:
                self._require_ready(one)
        except BaseException:
            for one in started:
                end_process(one.process, signal.SIGTERM, STOPS_WITHIN_S)
            raise
        for one in there.values():
            with suppress(psutil.NoSuchProcess):
                one.process.send_signal(signal.SIGHUP)  # each reads its configuration again
        return self.running()

    def down(self) -> list[str]:
        """Stop them; the names of those that ran."""
        running = self.running()
        for one in running:
            end_process(one.process, signal.SIGTERM, STOPS_WITHIN_S)
        return [one.tool.name for one in running]

    def _find(self, tool: Tool) -> Running | None:
        option = f"--config.file={self._config(tool)}"
        for process, command in answers_of(psutil.process_iter(), psutil.Process.cmdline):
            if option in command and is_running(process):
                return Running(tool, process, _port_of(command))
        return None

    def _config(self, tool: Tool) -> Path:
        return self._place / f"{tool.name}.yml"

    def _log(self, tool: Tool) -> Path:
        return self._folder.logs / f"{tool.name}.log"

    def _start(self, tool: Tool, program: str, port: int) -> Running:
        self._folder.make_logs()
        with self._log(tool).open("wb") as log:
            process = subprocess.Popen(
                [program, *self._options(tool, port)],
                cwd=self._place,
                env=inherited(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append(process)
        return Running(tool, psutil.Process(process.pid), port)

    def _options(self, tool: Tool, port: int) -> Iterator[str]:
        yield f"--config.file={self._config(tool)}"
        yield f"--web.listen-address={HOST}:{port}"
        if tool is PROMETHEUS:
            yield f"--storage.tsdb.path={self._place / 'prometheus'}"
            yield from KEPT
        if tool is ALERTMANAGER:
            yield f"--storage.path={self._place / 'alertmanager'}"
            yield "--cluster.listen-address="  # else it listens on all interfaces for others of its kind

    def _require_ready(self, one: Running) -> None:
        for _ in polls(READY_WITHIN_S, every_s=0.1):
            if not is_running(one.process):
                break
            with suppress(httpx.HTTPError):
                if probe(f"{one.url}{one.tool.ready}", timeout_s=5).is_success:
                    return
        said = self._log(one.tool).read_text(errors="replace").strip().splitlines()[-2:]
        raise InstanceError(
            f"{one.tool.name} does not start; {self._log(one.tool)} says: {' | '.join(said)[-600:]}"
        )


def _port_of(command: list[str]) -> int:
    address = next((word for word in command if word.startswith("--web.listen-address=")), ":0")
    return int(address.rpartition(":")[2])
