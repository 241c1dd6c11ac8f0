"""The files of `configs/monitoring` as an instance's own Prometheus, blackbox and Alertmanager read them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import yaml

from candleray.errors import InstanceError
from candleray.private_files import write_private
from candleray.settings import CONFIGS

SOURCE = CONFIGS / "monitoring"
NOBODY = "nobody"


class Ports(NamedTuple):
    prometheus: int
    blackbox: int
    alertmanager: int


class Chat(NamedTuple):
    """The chat that is told, and the bot that tells it."""

    chat_id: int
    bot_token: str
    api_url: str


def write_configuration(place: Path, ports: Ports, chat: Chat | None) -> None:
    """Write them anew, for these ports, to this chat; without one nobody is told.

    Raises:
        InstanceError: they cannot be written.
    """
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in ("rules", "grafana"):
            shutil.copytree(SOURCE / folder, place / folder, dirs_exist_ok=True)
        write_private(place / "prometheus.yml", prometheus(ports))
        write_private(place / "blackbox.yml", (SOURCE / "blackbox.yml").read_text())
        # Without a chat named now, the one that was named before stays.
        if chat is not None or not (place / "alertmanager.yml").exists():
            write_private(place / "alertmanager.yml", alertmanager(chat))
    except OSError as exc:
        raise InstanceError(f"{place} cannot be written: {exc.strerror}") from exc


def prometheus(ports: Ports) -> str:
    text = (SOURCE / "prometheus.yml").read_text()
    return text.replace(":9093", f":{ports.alertmanager}").replace(":9115", f":{ports.blackbox}")


def alertmanager(chat: Chat | None) -> str:
    content = yaml.safe_load((SOURCE / "alertmanager.yml").read_text())
    (telegram,) = content["receivers"][0]["telegram_configs"]
    if chat is None:
        content["route"]["receiver"] = NOBODY
        content["receivers"] = [{"name": NOBODY}]
    else:
        telegram |= chat._asdict()
    text: str = yaml.safe_dump(content, sort_keys=False)
    return text
