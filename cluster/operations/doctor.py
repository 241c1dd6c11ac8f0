"""Look for what would keep an instance from working here, and say what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder; by default the settings' data_dir.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def doctor(as_json: AsJson = False, data: DataDir = None) -> None:
    """Look for what would keep an instance from working here, and say what to do about it; nothing is changed.

    The exit code is 1 where there is a fault, 0 where there are warnings at most.

    Example: candleray doctor --data ~/candles
    """
    from candleray.settings import get_settings
    from candleray.terminal.console import output, print_json
    from candleray.terminal.exit_codes import ExitCode
    from cluster.doctor.examination import examine
    from cluster.doctor.finding import Level

    settings = get_settings()
    findings = examine(settings.model_copy(update={"data_dir": data}) if data else settings)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            style = {Level.GOOD: "green", Level.WARNING: "yellow", Level.FAULT: "bold red"}[finding.level]
            output().print(f"{finding.level:<8} {finding.about:<12} {finding.said}", style=style)
            if finding.remedy:
                output().print(f"{'':<21} {finding.remedy}")
    if any(finding.level is Level.FAULT for finding in findings):
        raise typer.Exit(ExitCode.FAILED)
