"""Run Prometheus, blackbox and Alertmanager beside an instance, where they are installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from candleray.settings import Settings
    from cluster.monitoring.configuration import Chat
    from cluster.monitoring.stack import Running

HELP = """Run Prometheus, blackbox and Alertmanager beside an instance, where they are installed.

Example: candleray monitoring up
"""

DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder; by default the settings' data_dir.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ChatId = Annotated[
    int | None,
    typer.Option("--chat", help="Id of the Telegram chat that alerts go to; kept until another one is named."),
]

monitoring = typer.Typer(no_args_is_help=True, help=HELP)


@monitoring.callback()
def _monitoring() -> None:
    """Run Prometheus, blackbox and Alertmanager beside an instance, where they are installed."""


@monitoring.command("up")
def up(chat: ChatId = None, as_json: AsJson = False, data: DataDir = None) -> None:
    """Start what does not run yet, on this machine alone; they outlive the instance, to notice its end.

    Example: candleray monitoring up --chat 123456789
    """
    from candleray.terminal.console import notes, output, print_json
    from cluster.machine.data_folder import DataFolder
    from cluster.monitoring.stack import Stack

    settings = _settings(data)
    folder = DataFolder(settings.data_path)
    folder.inventory.record()  # an instance of its own, be it down
    running = Stack(folder).up(_chat(settings, chat))
    if as_json:
        print_json([_told(one) for one in running])
        return
    for one in running:
        output().print(f"{one.tool.name:<13} {one.url}  process {one.process.pid}")
    if "receiver: nobody" in (folder.monitoring / "alertmanager.yml").read_text():
        notes().print("alerts are told to nobody: name a chat by --chat", style="yellow")


@monitoring.command("down")
def down(as_json: AsJson = False, data: DataDir = None) -> None:
    """Stop them; what they have kept stays.

    Example: candleray monitoring down
    """
    from candleray.terminal.console import output, print_json
    from cluster.machine.data_folder import DataFolder
    from cluster.monitoring.stack import Stack

    stopped = Stack(DataFolder(_settings(data).data_path)).down()
    if as_json:
        print_json({"stopped": stopped})
    else:
        output().print(f"stopped {', '.join(stopped)}" if stopped else "none of them ran")


def _chat(settings: Settings, chat: int | None) -> Chat | None:
    from candleray.errors import invalid
    from cluster.monitoring.configuration import Chat

    if chat is None:
        return None
    token = settings.identity.bot_token
    if token is None:
        raise invalid("chat", "no_bot", "messages to a chat need a bot: set CANDLERAY_IDENTITY__BOT_TOKEN")
    return Chat(chat, token.get_secret_value(), settings.telegram.api_url)


def _told(one: Running) -> dict[str, Any]:
    return {"name": one.tool.name, "url": one.url, "pid": one.process.pid}


def _settings(data: Path | None) -> Settings:
    from candleray.settings import get_settings

    settings = get_settings()
    return settings.model_copy(update={"data_dir": data}) if data else settings
