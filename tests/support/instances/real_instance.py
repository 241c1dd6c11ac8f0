"""A real instance: started and stopped by the commands that a person types, its processes within reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from candleray import Client
from candleray.identity.local_secrets import BOT_TOKEN
from candleray.identity.telegram import sign_widget
from candleray.private_files import read_private
from cluster.instance.instance_file import Instance, read_instance
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import answers_of, process_of, tree_of
from tests.support.canaries import search_instance
from tests.support.instances.ports import free_port


@dataclass(frozen=True)
class RealInstance:
    folder: DataFolder
    port: int
    environment: Mapping[str, str]
    """Variables of its commands, besides ours."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def file(self) -> Instance:
        instance = read_instance(self.folder)
        assert instance is not None
        return instance

    def candleray(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**ours, "CANDLERAY_ENVIRONMENT": "test", "CANDLERAY_API_URL": self.url, **self.environment}
        command = [sys.executable, "-m", "candleray", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)

    def restarts(self, part: str) -> int:
        """Count how often the part was started again."""
        known = self.file.restarts.get(part)
        return known.count if known else 0

    def up(self) -> None:
        """Start it and log in."""
        for arguments in (("up", "--detach", "--port", str(self.port)), ("login",)):
            done = self.candleray(*arguments, "--data", str(self.folder))
            assert done.returncode == 0, done.stdout + done.stderr

    def down(self) -> None:
        self.candleray("down", "--data", str(self.folder))

    def processes(self, words: str = "") -> list[psutil.Process]:
        """The supervisor and all that it started, as far as these words stand in the command line."""
        commands = answers_of(tree_of(process_of(self.file.pid)), psutil.Process.cmdline)
        return [process for process, command in commands if words in " ".join(command)]

    def client_of(self, telegram_user_id: int) -> Client:
        """A client of that person, logged in."""
        return Client(self.url, token=self.token_of(telegram_user_id), timeout_s=600)

    def token_of(self, telegram_user_id: int) -> str:
        """Log that person in; the session's token."""
        given = self.environment.get("CANDLERAY_IDENTITY__BOT_TOKEN")
        bot_token = given or read_private(self.folder.path / BOT_TOKEN)
        assert bot_token is not None
        with Client(self.url, timeout_s=600) as anybody:
            return anybody.log_in(sign_widget(telegram_user_id, bot_token, time.time())).token

    def ray_dashboard(self) -> httpx.Client:
        """A client of Ray's dashboard, with the token that it asks for."""
        path = self.file.ray_token
        assert path is not None
        return httpx.Client(
            base_url=self.file.dashboard_url or "",
            headers={"Authorization": f"Bearer {path.read_text()}"},
            trust_env=False,
            timeout=60,
        )


@contextmanager
def real_instance(name: str, **environment: str) -> Iterator[RealInstance]:
    """An instance that is up and logged in at; at the end it is stopped, searched for secrets and removed."""
    place = Path(tempfile.mkdtemp(prefix=f"candleray-{name}-", dir="/tmp"))
    place.chmod(0o711)
    instance = RealInstance(DataFolder(place / "data"), free_port(), environment)
    try:
        instance.up()
        yield instance
    finally:
        instance.down()
        search_instance(place)
        shutil.rmtree(place, ignore_errors=True)


def kill(processes: Iterable[psutil.Process]) -> None:
    """`kill -9` of those that still run."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
