"""Have systemd keep an instance up, and back it up every night."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Have systemd keep an instance up, and back it up every night.

Example: candleray service install --user
"""

DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder; by default the settings' data_dir.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Port = Annotated[
    int | None,
    typer.Option("--port", min=1, max=65535, help="Port of the API; by default the settings' api.port."),
]
OfUser = Annotated[
    bool,
    typer.Option("--user", help="Units of this account's own systemd; without it, of the machine's, as root."),
]
BackupTo = Annotated[
    str | None, typer.Option("--backup-to", metavar="FOLDER", help="Make a backup there every night as well.")
]
Keep = Annotated[
    int | None,
    typer.Option("--keep-last", min=1, help="Remove all but so many backups of this instance afterwards."),
]

service = typer.Typer(no_args_is_help=True, help=HELP)


@service.callback()
def _service() -> None:
    """Have systemd keep an instance up, and back it up every night."""


@service.command("install")
def install(
    user: OfUser = False,
    port: Port = None,
    backup_to: BackupTo = None,
    keep: Keep = None,
    as_json: AsJson = False,
    data: DataDir = None,
) -> None:
    """Write the units, and say which commands start them; those that are there are replaced.

    Example: candleray service install --user --backup-to /mnt/backups
    """
    from candleray.errors import InstanceError
    from candleray.settings import get_settings
    from candleray.terminal.console import output, print_json
    from cluster.machine.data_folder import DataFolder, make_folder
    from cluster.server import units

    settings = get_settings()
    path = DataFolder(data or settings.data_dir).path
    written = {units.SERVICE: units.service(path, port, user=user)}
    if backup_to:
        place = str(Path(backup_to).expanduser().resolve())
        written |= {units.BACKUP: units.backup(path, place, keep or 14, user=user), units.TIMER: units.timer()}
    folder = units.unit_folder(user=user)
    try:
        make_folder(folder, 0o755)
        for name, text in written.items():
            fresh = folder / f".{name}.unfinished"
            fresh.write_text(text)
            fresh.replace(folder / name)
    except OSError as exc:
        remedy = "" if user else ": run it as root, or add --user"
        raise InstanceError(f"{folder} cannot be written ({exc.strerror}){remedy}") from exc
    systemctl = f"systemctl{' --user' if user else ''}"
    started = [name for name in written if name != units.BACKUP]
    commands = [f"{systemctl} daemon-reload", *(f"{systemctl} enable --now {name}" for name in started)]
    if user:
        commands.append("loginctl enable-linger")
    if as_json:
        print_json({"units": [str(folder / name) for name in written], "commands": commands})
        return
    for name in written:
        output().print(f"wrote {folder / name}")
    output().print("\nTry next:")
    for command in commands:
        output().print(f"  {command}")
