"""Processes that a test starts: they end with its block, however that ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from candleray.settings import ROOT


@contextmanager
def started(*command: str, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process, killed at the end of the block."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running_script(script: str, *arguments: object, **options: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Python code in a process of its own, once it has printed a line, and that line."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with started(*command, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line, "it ended without a word"
        yield process, line.strip()
