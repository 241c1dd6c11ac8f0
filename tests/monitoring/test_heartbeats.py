"""Heartbeats: each worker beats without being listed twice, and who does not is told."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import actors
from actors import heartbeats
from actors.heartbeats import Heartbeat, now_where
from actors.options import long_lived_actors
from candleray.heartbeats import LATE_S, worker_beats
from candleray.settings import LiveRunSettings, Settings, TelegramSettings
from cluster.instance.ray_driver import actors as started_actors

NOW_S = 1_800_000_000.0


def test_a_worker_is_late_once_its_last_beat_is_old_and_where_it_has_never_beaten() -> None:
    last_s = {"candle store": NOW_S - 4, "job scheduler": NOW_S - LATE_S - 1}
    told = worker_beats(last_s, ["candle store", "job scheduler", "bybit feed"], NOW_S)
    assert told.late == ("job scheduler", "bybit feed")
    assert [one.ago_s for one in told.workers] == [4.0, 31.0, None]


def test_a_worker_that_nobody_expects_is_told_until_it_is_forgotten() -> None:
    last_s = {"live runner 7": NOW_S - 600, "live runner 8": NOW_S - 7200, "new part": NOW_S}
    told = worker_beats(last_s, (), NOW_S)
    assert [one.worker for one in told.workers] == ["live runner 7", "new part"]
    assert told.late == ("live runner 7",)


@pytest.mark.parametrize("shards", [1, 3])
def test_the_workers_that_are_expected_are_the_actors_that_an_instance_starts(shards: int) -> None:
    settings = Settings(live_runs=LiveRunSettings(shards=shards), telegram=TelegramSettings(enabled=True))
    assert set(long_lived_actors(settings)) == {"candle store", *started_actors(settings)}


def test_every_actor_answers_for_itself_and_so_beats() -> None:
    sources = Path(actors.__path__[0]).glob("*.py")
    classes = [
        node
        for source in sources
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Actor")
    ]
    assert len(classes) >= 5
    beating = ("answer_as(", "LoopThread(")  # the one begins the other
    assert [one.name for one in classes if not any(call in ast.unparse(one) for call in beating)] == []


def test_the_log_has_a_line_when_a_worker_begins_to_beat_stops_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeats, "_left", lambda worker, worked_s: "")
    heartbeat = Heartbeat("binance feed")
    with capture_logs() as lines:
        for worked_s in (NOW_S, NOW_S + 5, None, None, NOW_S + 20, NOW_S + 25):
            heartbeat.look(worked_s)
    assert [line["event"] for line in lines] == ["heartbeat_begins", "heartbeat_stops", "heartbeat_begins"]
    assert {line["worker"] for line in lines} == {"binance feed"}


def test_a_store_that_takes_no_beat_is_told_once() -> None:
    heartbeat = Heartbeat("candle store")  # no Ray in this process
    with capture_logs() as lines:
        for _ in range(3):
            heartbeat.look(time.time())
    assert [line["event"] for line in lines] == ["heartbeat_waits", "heartbeat_begins"]


def test_who_does_not_work_has_no_beat() -> None:
    assert now_where(lambda: False)() is None
    assert now_where(lambda: True)() == pytest.approx(time.time(), abs=60)
