"""Say what an upgrade to this version would change in a data folder, and whether it may begin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder; by default the settings' data_dir.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Check = Annotated[bool, typer.Option("--check", help="Change nothing; nothing else is done so far.")]


def upgrade(check: Check = True, as_json: AsJson = False, data: DataDir = None) -> None:
    """Say what an upgrade to this version would change in a data folder; the upgrade itself is the next start.

    The exit code is 1 where it may not begin: a newer version has written the folder, or a part of it is gone.

    Example: candleray upgrade --check --data ~/candles
    """
    from candleray.settings import get_settings
    from candleray.terminal.console import output, print_json
    from candleray.terminal.exit_codes import ExitCode
    from cluster.server.upgrade_check import check_upgrade

    settings = get_settings()
    found = check_upgrade(settings.model_copy(update={"data_dir": data}) if data else settings)
    if as_json:
        print_json(found)
    else:
        for line in found.lines():
            output().print(line)
    if found.obstacle:
        raise typer.Exit(ExitCode.FAILED)
