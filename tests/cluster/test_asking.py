"""Alive is who answers: suspended processes are silent, and what is silent is killed and started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from actors.answering import SOCKETS, socket_of
from candleray.settings import Settings
from cluster.instance.asking import HTTP2_GREETING, Asked, grpc_answer, listener_of, unix_answer
from cluster.instance.events import Event
from cluster.instance.ray_part import RayPart
from cluster.instance.watched_service import WatchedService
from cluster.machine.data_folder import DataFolder
from cluster.services import embedded_postgres as postgres_module
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_service import EmbeddedService
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.hand_clock import HandClock
from tests.support.instances.ports import free_port
from tests.support.instances.processes import running_script, suspend
from tests.support.waiting import wait_until

ANSWERS = """
import time
from actors.answering import answer_as
answer_as("candle store")
print("ready", flush=True)
while True:
    time.sleep(1)  # as a long call does
"""

ANSWERS_FROM_A_LOOP = """
import asyncio, sys, time
from actors.answering import LoopPulse, answer_as

async def work(pulse):
    beating = asyncio.create_task(pulse.beat())
    while True:
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return
        time.sleep(float(line))  # as nothing in a loop may
        print("on again", flush=True)

pulse = LoopPulse(stands_still_s=2.0)
answer_as("binance feed", pulse.is_alive)
print("ready", flush=True)
asyncio.run(work(pulse))
"""

GREETS_LIKE_GRPC = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    asking, _ = server.accept()
    asking.recv(64)
    asking.sendall(bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
    asking.close()
"""

QUICK_S = 0.2


@pytest.fixture
def sockets() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="alive-", dir="/tmp") as place:
        yield Path(place)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[DataFolder]:
    monkeypatch.setattr(postgres_module, "INITDB", (*postgres_module.INITDB, "--no-sync"))
    with tempfile.TemporaryDirectory(prefix="candleray-test-", dir="/tmp") as place:
        Path(place).chmod(0o711)
        made = DataFolder(Path(place) / "data")
        made.prepare()
        made.make_run_dir()
        yield made
        for kind in (EmbeddedPostgres, EmbeddedValkey):
            kind(made).stop()
        made.forget_run_dirs()


def test_a_process_answers_whatever_its_own_work_is_and_not_once_it_is_suspended(sockets: Path) -> None:
    socket = socket_of(sockets, "candle store")
    with running_script(ANSWERS, env={**os.environ, SOCKETS: str(sockets)}) as (process, _):
        for _ in range(200):  # more than wait in the queue of a socket
            unix_answer(socket)
        suspend(psutil.Process(process.pid))
        with pytest.raises(TimeoutError):
            unix_answer(socket, deadline_s=QUICK_S)
        assert listener_of(socket) == process.pid
        process.send_signal(signal.SIGCONT)
        unix_answer(socket)
    with pytest.raises(ConnectionRefusedError):
        unix_answer(socket)
    with running_script(ANSWERS, env={**os.environ, SOCKETS: str(sockets)}):  # over its predecessor's socket
        unix_answer(socket)


def test_a_process_whose_loop_hangs_answers_nobody_until_it_turns_again(sockets: Path) -> None:
    environment = {**os.environ, SOCKETS: str(sockets)}
    options = {"stdin": subprocess.PIPE, "env": environment}
    with running_script(ANSWERS_FROM_A_LOOP, **options) as (process, _):
        socket = socket_of(sockets, "binance feed")
        unix_answer(socket)
        assert process.stdin
        assert process.stdout
        process.stdin.write("6\n")
        process.stdin.flush()

        def hangs() -> bool:
            try:
                unix_answer(socket, deadline_s=QUICK_S)
            except TimeoutError:
                return True
            return False

        wait_until(hangs, what="nobody is answered")
        assert listener_of(socket) == process.pid
        assert process.stdout.readline() == "on again\n"
        wait_until(lambda: not hangs(), what="who asks is answered again")


def test_outside_of_an_instance_nobody_is_answered(sockets: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", "from actors.answering import answer_as; answer_as('candle store')"], check=True
    )
    assert list(sockets.iterdir()) == []


def test_a_grpc_server_answers_to_a_greeting_and_not_once_it_is_suspended() -> None:
    port = free_port()
    assert HTTP2_GREETING.startswith(b"PRI * HTTP/2.0")
    with running_script(GREETS_LIKE_GRPC, port) as (process, _):
        grpc_answer(f"127.0.0.1:{port}")
        suspend(psutil.Process(process.pid))
        with pytest.raises(TimeoutError):
            grpc_answer(f"127.0.0.1:{port}", QUICK_S)
    with pytest.raises(ConnectionRefusedError):
        grpc_answer(f"127.0.0.1:{port}", QUICK_S)


def test_only_silence_several_times_in_a_row_counts_and_is_told_once() -> None:
    answers = iter([TimeoutError(), TimeoutError(), None, *[TimeoutError()] * 3, ConnectionRefusedError()])
    done = []

    def ask() -> None:
        answer = next(answers, None)
        if answer is None:
            done.append(1)
        else:
            raise answer

    asked = Asked("part", ask, every_s=0.0, silences=3)
    for _ in range(5):
        asked.ask_once()
        assert not asked.is_silent()
    asked.ask_once()
    assert asked.is_silent()
    assert not asked.is_silent()
    asked.ask_once()
    asked.start()
    wait_until(lambda: len(done) > 3)
    asked.stop()


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_a_suspended_service_is_killed_and_started_anew(kind: type[EmbeddedService], folder: DataFolder) -> None:
    service = kind(folder)
    service.start()
    hanging = service.process
    assert hanging
    asked = Asked(
        service.name, partial(unix_answer, service.socket, service.question, QUICK_S), every_s=0.0, silences=3
    )
    watched = WatchedService(service, HandClock(), asked)
    asked.ask_once()
    assert watched.revive() == ""
    suspend(hanging)
    for _ in range(3):
        asked.ask_once()
    assert watched.revive() == "did not answer, is killed"
    assert watched.revive() == "had ended, is started again"
    assert service.process != hanging
    asked.ask_once()
    assert watched.revive() == ""


class Boot:
    """A Ray that runs, with one actor."""

    def __init__(self, ray_dir: Path) -> None:
        self.ray_dir = ray_dir
        self.cluster = None
        self.boot_id = ""
        self.is_ready = True
        self.killed = False

    def follow(self) -> str:
        return ""

    def kill(self) -> None:
        self.killed = True


def test_a_suspended_actor_is_killed_for_ray_to_start_and_a_suspended_part_of_ray_costs_all_of_it(
    sockets: Path, tmp_path: Path
) -> None:
    events: list[Event] = []
    part = RayPart(Settings(), DataFolder(tmp_path), "app", events.append, lambda: None)
    boot = Boot(sockets)
    part.boot, part._runs, part.state = boot, True, "ready"  # type: ignore[assignment]
    with running_script(ANSWERS, env={**os.environ, SOCKETS: str(sockets)}) as (process, _):
        socket = socket_of(sockets, "candle store")
        actor = Asked("candle store", partial(unix_answer, socket, deadline_s=QUICK_S), silences=2)
        part._asked = [actor]
        suspend(psutil.Process(process.pid))
        for _ in range(2):
            actor.ask_once()
        part.look()
        assert process.wait(60) == -signal.SIGKILL
    assert part.restarts["candle store"].reason == "did not answer"
    assert not boot.killed

    def nothing() -> None:
        raise TimeoutError

    raylet = Asked("raylet", nothing, silences=1)
    part._asked = [raylet]
    raylet.ask_once()
    part.look()
    assert boot.killed
    assert events[-1].detail == "is lost: raylet does not answer; starts again now"
