"""One start of Ray: the processes that belong to it, from the first to the last.

Ray's driver is a process of its own, `cluster.instance.ray_driver`, because one that loses its Ray is of no more
use: its calls hang for a minute, then Ray ends it. So the supervisor sees of Ray but processes, and ends them by
the id of their boot.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

import psutil
from pydantic import SecretStr

from candleray.errors import first_line
from candleray.settings import ROOT, Settings
from cluster.instance.environment import driver_environment
from cluster.instance.events import Event, Report, from_pipe
from cluster.instance.instance_file import RayCluster
from cluster.instance.own_proxy import own_proxy
from cluster.machine import leftovers
from cluster.machine.child_environment import BARE
from cluster.machine.data_folder import DataFolder
from cluster.machine.polls import polls
from cluster.machine.ports import own_block, require_free
from cluster.machine.processes import is_running, process_of

START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 40.0
"""Longer than the API lets requests under way finish."""
READ_TIMEOUT_S = 10.0
"""Seconds to read the last events of a driver that has ended: none, but for a machine that is busy."""


class RayBoot:
    """`start`, `follow` now and then, in the end `stop` or `kill`."""

    def __init__(self, settings: Settings, folder: DataFolder, app: str, report: Report) -> None:
        self.settings = settings
        self.folder = folder
        self.app = app
        self.report = report
        self.boot_id = secrets.token_hex(4)
        self.ray_dir = folder.ray_dir(self.boot_id)
        self.is_ready = False
        self.cluster: RayCluster | None = None
        self._vital: dict[str, psutil.Process | None] = {}
        self._driver: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._claims = ExitStack()
        self._told: SimpleQueue[Event] = SimpleQueue()

    def start(self) -> None:
        """
        Raises:
            InstanceError: the API's port is somebody else's, no ports are free, or the candles are gone.
        """
        if self.settings.services.ray_address is None:
            require_free(self.settings.api.host, self.settings.api.port)
        if self.settings.services.clickhouse_url == SecretStr(f"chdb://{self.folder.clickhouse}"):
            self.folder.begin_candles()
        for former in self.folder.run_dir.glob("ray-*"):
            shutil.rmtree(former, ignore_errors=True)
        self.folder.make_run_dir()
        self.ray_dir.mkdir()
        self.report(Event("starting", "ray"))
        self._give_up_at = time.monotonic() + START_TIMEOUT_S
        self._guard = self._spawn_guard()
        self._driver = self._spawn_driver()

    def follow(self) -> str:
        """Take in what the driver has told since; why this start is at an end, if it is."""
        code = self._driver.poll() if self._driver else None
        if code is not None:
            self._reader.join(READ_TIMEOUT_S)
        with suppress(Empty):
            while True:
                event = self._told.get_nowait()
                if event.kind == "failed":
                    return event.detail or "its driver failed without saying why"
                try:
                    self._take_in(event)
                except (OSError, ValueError) as error:
                    return f"its addresses cannot be read: {first_line(error)}"
        if code is not None:
            return f"its driver has ended, {f'killed by signal {-code}' if code < 0 else f'exit code {code}'}"
        for name, process in self._vital.items():
            if process is None or not is_running(process):
                return f"{name}{f' (process {process.pid})' if process else ''} has ended"
        if not self.is_ready and time.monotonic() > self._give_up_at:
            return f"it did not start within {START_TIMEOUT_S:g} s"
        return ""

    def _take_in(self, event: Event) -> None:
        if event.kind == "ready":
            self.is_ready = True
            return
        if event.kind == "started" and event.part in ("ray", "dashboard"):
            self.cluster = RayCluster.model_validate_json((self.ray_dir / "cluster.json").read_text())
            self._vital = {name: process_of(pid) for name, pid in self.cluster.vital.items()}
        self.report(event)

    def start_again(self, part: str) -> None:
        """Have the driver do that with a part of what it has started."""
        if self._driver and self._driver.stdin:
            with suppress(OSError):
                self._driver.stdin.write(f"{part}\n".encode())
                self._driver.stdin.flush()

    def stop(self) -> None:
        """Stop it in order where it is ready, else at once: until then nobody uses it."""
        if self._driver and self.is_ready:
            self._driver.terminate()
            for _ in polls(STOP_TIMEOUT_S):
                has_ended = self._driver.poll() is not None
                self.follow()
                if has_ended:
                    break
        self.kill()

    def kill(self) -> None:
        """Nothing of this start runs afterwards; its logs are kept."""
        leftovers.kill_leftovers(self.boot_id, str(self.ray_dir))
        for process in (self._driver, self._guard):
            if process and process.stdin:
                with suppress(OSError):
                    process.stdin.close()
                process.kill()
                process.wait()
        self._driver = self._guard = None
        self._claims.close()
        self._keep_logs()

    def _keep_logs(self) -> None:
        """Move them to where they last; a full disk or a missing folder costs the logs and nothing else."""
        with suppress(OSError):
            if not (self.folder.ray_logs.is_symlink() and self.folder.ray_logs.exists()):
                return
            logs = self.folder.ray_logs.resolve()
            self.folder.ray_logs.unlink()
            try:
                shutil.move(logs, self.folder.ray_logs)
            except OSError:
                shutil.rmtree(self.folder.ray_logs, ignore_errors=True)  # half of them would keep a full disk full

    def _spawn_guard(self) -> subprocess.Popen[bytes]:
        """The process that does as `kill`, once the pipe to us is closed."""
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(leftovers.__file__)), self.boot_id, str(self.ray_dir)],
            stdin=subprocess.PIPE,
            env=BARE,  # without the boot's id: it must not find itself
            cwd="/",
            start_new_session=True,
        )

    def _spawn_driver(self) -> subprocess.Popen[bytes]:
        ports = self._claims.enter_context(own_block(self.settings.api.port))
        reading, writing = os.pipe()
        self._reader = threading.Thread(target=_read, args=(os.fdopen(reading), self._told), daemon=True)
        self._reader.start()
        try:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cluster.instance.ray_driver",
                    self.app,
                    self.boot_id,
                    str(ports.first),
                    str(writing),
                ],
                cwd=ROOT,
                env={
                    **driver_environment(self.settings, self.folder, ports, self.boot_id),
                    **own_proxy(self.settings, self.folder),
                },
                stdin=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C reaches us alone
                pass_fds=(writing,),
            )
        finally:
            os.close(writing)


def _read(events: IO[str], told: SimpleQueue[Event]) -> None:
    with events:
        for event in from_pipe(events):
            told.put(event)
