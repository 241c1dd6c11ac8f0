"""`candleray config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from candleray.terminal.console import output
from candleray.terminal.tables import print_table


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """Show the settings in force: the configuration files, and the environment over them. Secrets are masked.

    Example: CANDLERAY_GUARDS__MAX_VARIANTS=5000 candleray config
    """
    from candleray.settings import get_settings

    settings = get_settings()
    if as_json:
        typer.echo(settings.model_dump_json(indent=2))
        return
    rows = [
        (name, "–" if value is None else str(value)) for name, value in _leaves(settings.model_dump(mode="json"))
    ]
    print_table(output(), ("setting", "value"), rows, text=("setting", "value"))


def _leaves(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield above + name, value
