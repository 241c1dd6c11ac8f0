"""Processes of shards, begun at once by one that has in memory all that they need; all are killed alike."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import IO, Any

import psutil

from candleray.settings import ROOT
from tests.support.instances.processes import started

LIMITS = {
    **{"look_s": 0.1, "standing_every_s": 0.5, "without_stream_s": 0.2, "late_every_s": 1.0},
    "snapshot_minutes": 2,
}


class RunnerProcesses:
    def __init__(self, stack: ExitStack, store_path: str, settings: Mapping[str, Any], logs: IO[str]) -> None:
        self._store_path = store_path
        self._settings = settings
        options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        module = ("-m", "tests.support.live.runner_process")
        self._zygote = stack.enter_context(started(sys.executable, *module, **options, stderr=logs))
        self.running: list[psutil.Process] = []

    def begin(
        self, dies: str | None = None, at: int = 1, shard: int = 0, times: str | None = None
    ) -> psutil.Process:
        """A new process of a shard; `times` is a file that it writes the moments of commits to."""
        assert self._zygote.stdin
        assert self._zygote.stdout
        question = {
            **{"shard": shard, "store": self._store_path, "settings": self._settings},
            **{"dies": dies, "at": at, "times": times},
        }
        self._zygote.stdin.write(json.dumps(question) + "\n")
        self._zygote.stdin.flush()
        process = psutil.Process(int(self._zygote.stdout.readline()))
        self.running.append(process)
        return process

    def kill_all(self) -> None:
        for process in self.running:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self.running.clear()
