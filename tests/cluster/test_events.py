"""Events that one process of an instance tells another."""

from __future__ import annotations

import io
import os
import subprocess
import time
from contextlib import nullcontext, suppress

import pytest
from rich.console import Console

from candleray.terminal import progress
from cluster.instance.events import (
    Event,
    from_pipe,
    naming_what_starts,
    own_pipe,
    reported,
    to_console,
    to_pipe,
    until_started,
)
from tests.support.instances.processes import running_script, started
from tests.support.waiting import wait_until

TELL = """
import sys, time
from cluster.instance.events import Event, own_pipe, to_pipe
pipe = own_pipe(int(sys.argv[1]))
report = to_pipe(pipe)
report(Event("started", "ray", "at 127.0.0.1:1", 1.5))
pipe.write('{"kind": "read')
pipe.flush()
print("told", flush=True)
time.sleep(600)
"""


def test_a_killed_process_has_told_whole_events_and_no_more() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as events:
        with running_script(TELL, writing, pass_fds=(writing,)):
            os.close(writing)
        assert list(from_pipe(events)) == [Event("started", "ray", "at 127.0.0.1:1", 1.5)]


def test_what_a_process_starts_does_not_keep_its_pipe_open() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    with os.fdopen(reading) as events, own_pipe(writing) as pipe, started("sleep", "600", close_fds=False):
        to_pipe(pipe)(Event("ready"))
        pipe.close()
        assert [event.kind for event in from_pipe(events)] == ["ready"]


def test_who_waits_for_the_start_is_told_no_longer_and_may_leave() -> None:
    for last in ("ready", "failed"):
        reading, writing = os.pipe()
        with os.fdopen(reading) as events:
            report = until_started(own_pipe(writing))
            for kind in ("started", last, "noticed"):
                report(Event(kind))  # type: ignore[arg-type]
            assert [event.kind for event in from_pipe(events)] == ["started", last]
    reading, writing = os.pipe()
    report = until_started(own_pipe(writing))
    os.close(reading)
    report(Event("started"))
    report(Event("ready"))


def test_a_part_that_fails_is_told_neither_as_started_nor_as_stopped() -> None:
    told: list[str] = []
    with (
        suppress(subprocess.SubprocessError),
        reported(lambda event: told.append(event.kind), "part", Part("start")),
    ):
        pytest.fail("it did not start")
    with (
        suppress(subprocess.SubprocessError),
        reported(lambda event: told.append(event.kind), "part", Part("stop")),
    ):
        pass
    assert told == ["starting", "starting", "started"]


def test_the_part_that_is_starting_is_named_until_the_start_has_an_end(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.01)
    console = Console(file=io.StringIO())
    with naming_what_starts(to_console(console), None) as report:
        with reported(report, "api", nullcontext("http://127.0.0.1:1")):
            wait_until(lambda: "0 s: starting api\n" in capfd.readouterr().err, every_s=0.01, what="its name")
        report(Event("ready"))
        capfd.readouterr()
        time.sleep(0.05)
        assert capfd.readouterr().err == ""
    assert [line.split()[0] for line in console.file.getvalue().splitlines()] == ["api", "api"]  # type: ignore[attr-defined]


class Part:
    """A part of an instance that fails at its start or its stop."""

    def __init__(self, fails_at: str) -> None:
        self.fails_at = fails_at

    def __enter__(self) -> str:
        self._do("start")
        return "a detail"

    def __exit__(self, *_: object) -> None:
        self._do("stop")

    def _do(self, what: str) -> None:
        if what == self.fails_at:
            raise subprocess.SubprocessError(what)
