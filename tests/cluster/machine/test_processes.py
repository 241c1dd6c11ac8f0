"""Processes that end, stop or change while they are looked at."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from cluster.machine.polls import polls
from cluster.machine.processes import (
    answers_of,
    describe,
    end_process,
    ends_within,
    is_running,
    opened_by,
    process_of,
    start_ticks,
    tree_of,
)
from tests.support.instances.processes import running_script, started, suspend_all
from tests.support.waiting import wait_until

PARENT = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, getattr(signal, sys.argv[1]))
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""
OWNER = """
import os, sys, time
pipe, file = os.pipe(), open(sys.argv[1], "w")
print("opened", flush=True)
time.sleep(600)
"""


def ended_process() -> psutil.Process:
    with started("sleep", "600") as sleeper:
        return psutil.Process(sleeper.pid)


def test_a_process_that_ended_after_it_was_listed_is_left_out() -> None:
    ended, ours = ended_process(), psutil.Process()
    for question in (psutil.Process.cmdline, psutil.Process.name, psutil.Process.uids, psutil.Process.cwd):
        assert [process for process, _ in answers_of([ended, ours], question)] == [ours]
    assert not is_running(ended)
    assert tree_of(ended) == []
    assert process_of(ended.pid) is None
    assert start_ticks(ended.pid) is None
    assert describe(ended.pid) == f"process {ended.pid}"


def test_a_process_that_nobody_has_collected_has_ended() -> None:
    with running_script(PARENT, "SIG_DFL") as (_, child_pid):
        child = psutil.Process(int(child_pid))
        assert is_running(child)
        end_process(child, signal.SIGKILL, 10)
        assert child.status() == psutil.STATUS_ZOMBIE
        assert not is_running(child)
        assert start_ticks(child.pid) is None
        assert ends_within(child, 0)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_process_that_does_not_end_is_killed_with_all_it_started(stopped: bool) -> None:
    with running_script(PARENT, "SIG_IGN") as (parent, child_pid):
        process, child = psutil.Process(parent.pid), psutil.Process(int(child_pid))
        if stopped:
            suspend_all(tree_of(process))
        end_process(process, signal.SIGTERM, 0.2)
        wait_until(lambda: (is_running(process), is_running(child)), lambda seen: seen == (False, False))


def test_a_process_that_ends_in_time_is_collected_and_keeps_what_it_started() -> None:
    with running_script(PARENT, "SIG_DFL") as (parent, child_pid):
        child = psutil.Process(int(child_pid))
        end_process(psutil.Process(parent.pid), signal.SIGTERM, 30)
        assert not psutil.pid_exists(parent.pid)
        assert is_running(child)
        child.kill()


def test_an_open_file_is_found_among_descriptors_of_any_kind(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with running_script(OWNER, file) as (owner, _):
        assert opened_by(file) == owner.pid
    assert opened_by(file) is None
    with file.open():
        assert opened_by(file) is None, "another process is asked for"


def test_polls_end_with_one_after_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    monkeypatch.setattr(time, "sleep", sleep)
    assert [now_s for _ in polls(1.0, every_s=0.4)] == pytest.approx([0, 0.4, 0.8, 1.2])
    seen = []
    for _ in polls(1.0, every_s=0.4):
        seen.append(now_s)
        now_s += 100  # suspended
    assert len(seen) == 2


def test_waiting_says_what_was_seen_last() -> None:
    seen = iter([0, 1, 2])
    assert wait_until(lambda: next(seen), lambda number: number == 2) == 2
    with pytest.raises(AssertionError, match=r"the answer: not within 0 s, last seen 41"):
        wait_until(lambda: 41, lambda number: number == 42, what="the answer", within_s=0)
    with pytest.raises(AssertionError, match=r"last seen ConnectionError\('refused'\)"):
        wait_until(lambda: refuse(), within_s=0, passing=(OSError,))


def refuse() -> None:
    raise ConnectionError("refused")


def test_the_start_of_a_process_is_told_in_the_clock_of_the_machine() -> None:
    ours = start_ticks(os.getpid())
    assert ours is not None
    since_boot_s = ours / os.sysconf("SC_CLK_TCK")
    assert 0 < since_boot_s <= time.clock_gettime(time.CLOCK_BOOTTIME)
