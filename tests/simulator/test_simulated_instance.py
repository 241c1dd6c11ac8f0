"""Simulated exchanges as a part of an instance: started, found, ended, and kept apart from real candles."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from candleray.cli import app
from candleray.errors import InstanceError, ServiceUnavailable
from candleray.inventory import Inventory
from candleray.markets import MARKETS
from candleray.settings import Settings, SimulatorSettings
from candleray.timeframes import DAY_MS
from cluster.instance.asking import Asked
from cluster.instance.cautions import cautions
from cluster.instance.status import inspect
from cluster.instance.supervisor import Supervisor
from cluster.instance.watched_service import WatchedService
from cluster.machine.data_folder import DataFolder
from cluster.services.simulated_exchanges import Running, SimulatedExchanges, asking, require_own_candles
from tests.support.instances.ports import free_port
from tests.support.waiting import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path)
    folder.prepare()
    return folder


@pytest.fixture
def exchanges(folder: DataFolder) -> Iterator[SimulatedExchanges]:
    config = SimulatorSettings(enabled=True, speed=60, symbols="BTCUSDT,ETHUSDT", faults="seeded:7,times_a_day=4")
    exchanges = SimulatedExchanges(folder, config)
    yield exchanges
    exchanges.stop()


def test_they_run_as_the_settings_say_and_come_back_at_their_port_with_their_clock(folder, exchanges):
    assert exchanges.start() == "started"
    state = httpx.get(f"{exchanges.url}/simulator").json()
    assert state["markets"]["bybit-futures"] == ["BTCUSDT", "ETHUSDT"]
    assert (state["clock"]["speed"], state["faults"]["seeded"]) == (60, 7)
    assert 0 <= state["clock"]["now_ms"] - (time.time() * 1000 - 30 * DAY_MS) < DAY_MS
    url, found = exchanges.url, SimulatedExchanges(folder).find()
    assert found is not None
    watched = WatchedService(exchanges)
    os.kill(found.pid, signal.SIGKILL)
    assert wait_until(watched.revive, lambda said: "again" in said) == "had ended, is started again"
    again = httpx.get(f"{exchanges.url}/simulator").json()
    assert exchanges.url == url
    asked = Asked("simulator", lambda: exchanges.ask(0.3), silences=2)
    watched = WatchedService(exchanges, asked=asked)
    suspended = exchanges.find()
    assert suspended is not None
    suspended.suspend()
    asked.ask_once()
    assert watched.revive() == "", "once is no silence"
    asked.ask_once()
    assert watched.revive() == "did not answer, is killed"
    assert wait_until(watched.revive, lambda said: "again" in said) == "had ended, is started again"
    assert exchanges.url == url
    assert again["clock"]["now_ms"] > state["clock"]["now_ms"]
    exchanges.stop()
    assert SimulatedExchanges(folder).find() is None


def test_the_supervisor_starts_them_first_and_status_shows_them(tmp_path):
    settings = Settings(
        data_dir=tmp_path, api={"port": free_port()}, simulator={"enabled": True, "symbols": "BTCUSDT"}
    )
    supervisor = Supervisor(settings, "", lambda event: None)
    with supervisor._data_folder(), supervisor._simulator() as how:
        url = supervisor.settings.history.base_urls["bybit-spot"]
        assert how == f"started, {url}: no candle here is real"
        found = inspect(supervisor.folder)
        (part,) = [part for part in found.parts if part.name == "simulator"]
        assert (part.state, part.address) == ("running", url)
        assert found.cautions["simulator"].endswith("no candle of this instance is real.")
        (watched,) = supervisor.services
        assert watched.revive() == ""
    assert SimulatedExchanges(supervisor.folder).find() is None
    assert supervisor.folder.inventory.is_begun("simulator") is False
    real = Supervisor(settings.model_copy(update={"simulator": SimulatorSettings()}), "", lambda event: None)
    with pytest.raises(InstanceError, match="holds candles of simulated exchanges"), real._data_folder():
        pass


def test_faults_that_there_are_not_are_told_with_the_start(folder):
    wrong = SimulatedExchanges(folder, SimulatorSettings(enabled=True, faults="earthquake=3"))
    with pytest.raises(ServiceUnavailable, match=r"simulator did not start; its log .* says: .*earthquake"):
        wrong.start()


def test_exchanges_that_do_not_answer_have_not_started_and_are_ended(folder, monkeypatch):
    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(SimulatedExchanges, "start_timeout_s", 0.5)
    monkeypatch.setattr(SimulatedExchanges, "_command", lambda *_: silent)
    with pytest.raises(ServiceUnavailable, match=r"simulator did not start; its log .* says: nothing"):
        SimulatedExchanges(folder).start()
    assert SimulatedExchanges(folder).find() is None


def clock_of(speed: float, folder: DataFolder) -> SimulatedExchanges:
    return SimulatedExchanges(folder, SimulatorSettings(enabled=True, speed=speed))


@pytest.mark.parametrize("speed", [0.5, 1, 600])
def test_a_clock_never_goes_back_and_begins_where_its_speed_says(folder, speed):
    exchanges = clock_of(speed, folder)
    assert exchanges._start_ms(None, 10**9) == 10**12 - (30 * DAY_MS if speed > 1 else 0)
    running = Running(pid=1, start_ticks=1, port=1, start_ms=1_000, since_s=100, speed=600)
    assert exchanges._start_ms(running, 101.5015) == 902_000
    late = Running(pid=1, start_ticks=1, port=1, start_ms=1_000, since_s=100, speed=0)
    assert exchanges._start_ms(late, 10**9) == (1_000 if speed > 1 else 10**12)


def test_a_clock_stands_while_its_exchanges_are_stopped(folder):
    exchanges = clock_of(600, folder)
    now_s = time.time()
    running = Running(pid=0, start_ticks=0, port=1, start_ms=1_000, since_s=now_s - 10, speed=600)
    exchanges.data.mkdir()
    exchanges.socket.write_text(running.model_dump_json())
    exchanges.stop()
    stood = Running.model_validate_json(exchanges.socket.read_text())
    assert stood.start_ms >= running.venue_ms(now_s)
    assert exchanges._start_ms(stood, now_s + 10**6) - stood.start_ms < 1000
    exchanges.stop()
    assert Running.model_validate_json(exchanges.socket.read_text()).start_ms == stood.start_ms


def test_all_that_asks_exchanges_asks_these_by_both_ways_and_follows_some_symbols():
    settings = asking("http://127.0.0.1:9900", Settings(simulator={"enabled": True, "speed": 60}))
    names = [market.name for market in MARKETS.values()]
    assert settings.history.base_urls == dict.fromkeys(names, "http://127.0.0.1:9900")
    assert settings.live.stream_urls == dict.fromkeys(names, "ws://127.0.0.1:9900")
    assert (settings.live.clock_speed, settings.history.clock_speed) == (60, 60)
    assert settings.live.subscriptions == dict.fromkeys(names, ("BTCUSDT", "ETHUSDT"))
    chosen = asking("http://127.0.0.1:9900", Settings(simulator={"symbols": "SOLUSDT, XRPUSDT"}))
    assert chosen.live.subscriptions["bybit-spot"] == ("SOLUSDT", "XRPUSDT")
    own = asking("http://127.0.0.1:9900", Settings(live={"subscriptions": {"binance-spot": ["XRPUSDT"]}}))
    assert own.live.subscriptions == {"binance-spot": ("XRPUSDT",)}


def test_simulated_and_real_candles_never_share_a_folder(tmp_path):
    def inventory(name: str) -> Inventory:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "clickhouse").mkdir(exist_ok=True)
        inventory = Inventory(folder)
        inventory.begin()
        return inventory

    real, simulated = inventory("real"), inventory("simulated")
    real.require_origin(simulated=False)
    real.note("clickhouse")
    with pytest.raises(InstanceError, match="holds candles that are not simulated: give another data folder"):
        real.require_origin(simulated=True)
    simulated.require_origin(simulated=True)
    simulated.note("clickhouse")
    inventory("simulated").require_origin(simulated=True)
    with pytest.raises(InstanceError, match="holds candles of simulated exchanges: start it with --simulator"):
        inventory("simulated").require_origin(simulated=False)
    assert json.loads((tmp_path / "simulated/inventory.json").read_text())["simulated"]
    (tmp_path / "simulated/inventory.json").unlink()
    with pytest.raises(InstanceError, match="holds candles of simulated exchanges"):
        inventory("simulated").require_origin(simulated=False)
    (tmp_path / "real/inventory.json").unlink()
    inventory("real").require_origin(simulated=False)


def test_simulated_candles_go_to_no_store_of_others():
    services = {"clickhouse_url": "http://user:word@elsewhere:8123"}
    with pytest.raises(InstanceError, match=r"simulated candles would go to the store at services.clickhouse_url"):
        require_own_candles(Settings(simulator={"enabled": True}, services=services))
    require_own_candles(Settings(simulator={"enabled": True}))
    require_own_candles(Settings(services=services))


def test_an_instance_says_that_its_exchanges_are_simulated():
    said = cautions(Settings(simulator={"enabled": True, "speed": 600, "faults": "seeded:7"}))
    assert said["simulator"] == (
        "The exchanges are simulated, at speed 600, with faults seeded:7: no candle of this instance is real."
    )
    assert "simulator" not in cautions(Settings())


def test_speed_and_faults_need_simulated_exchanges(tmp_path):
    result = CliRunner().invoke(app, ["up", "--speed", "600", "--data", str(tmp_path)])
    assert result.exit_code != 0
    assert "add --simulator" in result.output + str(result.exception)
