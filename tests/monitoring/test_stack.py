"""Prometheus and what goes with it beside an instance: started once, found again, stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from candleray import cli
from candleray.errors import InstanceError, NotFound
from cluster.machine.data_folder import DataFolder
from cluster.monitoring.configuration import Chat, Ports, alertmanager, prometheus, write_configuration
from cluster.monitoring.stack import ALERTMANAGER, BLACKBOX, PROMETHEUS, Stack
from tests.support.instances.monitoring_tools import tool

TWO = (BLACKBOX, PROMETHEUS)
"""Alertmanager starts only where its template is installed."""
CHAT = Chat(77, "123456:a-token-of-a-bot", "http://127.0.0.1:1")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    made = DataFolder(tmp_path / "data")
    made.prepare()
    yield made
    Stack(made).down()


def test_the_files_are_written_for_the_ports_that_are_free() -> None:
    content = yaml.safe_load(prometheus(Ports(1, 2, 3)))
    (managers,) = content["alerting"]["alertmanagers"]
    assert managers["static_configs"][0]["targets"] == ["127.0.0.1:3"]
    assert content["scrape_configs"][1]["relabel_configs"][-1]["replacement"] == "127.0.0.1:2"


def test_alerts_go_to_the_chat_or_in_words_to_nobody() -> None:
    told = yaml.safe_load(alertmanager(CHAT))
    assert told["route"]["receiver"] == "telegram"
    (telegram,) = told["receivers"][0]["telegram_configs"]
    assert (telegram["chat_id"], telegram["bot_token"], telegram["api_url"]) == CHAT
    assert yaml.safe_load(alertmanager(None))["route"]["receiver"] == "nobody"


def test_the_token_is_read_by_nobody_else_and_the_chat_stays(folder: DataFolder) -> None:
    write_configuration(folder.monitoring, Ports(1, 2, 3), CHAT)
    write_configuration(folder.monitoring, Ports(4, 5, 6), None)
    file = folder.monitoring / "alertmanager.yml"
    assert file.stat().st_mode & 0o077 == 0
    assert "chat_id: 77" in file.read_text()
    assert ":6" in (folder.monitoring / "prometheus.yml").read_text()


def test_what_is_not_installed_is_named_and_nothing_is_started(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFound, match="blackbox is not installed: `apt-get install"):
        Stack(folder).up(None)
    assert Stack(folder).running() == []


def test_a_chat_without_a_bot_is_refused(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    told = CliRunner().invoke(cli.app, ["monitoring", "up", "--chat", "1", "--data", str(folder.path)])
    assert told.exit_code == 2
    assert "set CANDLERAY_IDENTITY__BOT_TOKEN" in told.output


def test_they_start_once_are_found_again_and_stop(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tool('prometheus').parent}:{os.environ['PATH']}")
    running = Stack(folder, TWO).up(None)
    assert [one.tool.name for one in running] == ["blackbox", "prometheus"]
    again = Stack(folder, TWO).up(None)
    assert [one.process.pid for one in again] == [one.process.pid for one in running]
    rules = httpx.get(f"{running[1].url}/api/v1/rules", trust_env=False).json()
    assert sum(len(group["rules"]) for group in rules["data"]["groups"]) > 15
    assert Stack(folder, TWO).down() == ["blackbox", "prometheus"]
    assert Stack(folder, TWO).running() == []


def test_where_one_does_not_start_the_others_are_stopped(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "prometheus"
    broken.write_text("#!/bin/sh\necho it cannot\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{tool('prometheus').parent}:{os.environ['PATH']}")
    with pytest.raises(InstanceError, match=r"prometheus does not start; .* says: it cannot"):
        Stack(folder, TWO).up(None)
    assert Stack(folder, TWO).running() == []


def test_alertmanager_keeps_to_this_machine() -> None:
    assert "--cluster.listen-address=" in list(Stack(DataFolder(Path("/nowhere")))._options(ALERTMANAGER, 1))
