"""`candleray indicators`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from candleray.terminal.console import output
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from candleray.indicators.info import IndicatorInfo, ParamInfo


def indicators(
    indicator_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One indicator, with everything about it.")
    ] = None,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """List the indicators, or show one: inputs, parameters, bounds, default ranges, signal rule.

    Example: candleray indicators rsi
    """
    from candleray.indicators.info import IndicatorInfo
    from candleray.sdk.connection import read

    path = "/indicators" if indicator_id is None else f"/indicators/{quote(indicator_id, safe='')}"
    with connect(api, data) as client:
        answer = client.send("GET", path)
    if as_json:
        sys.stdout.buffer.write(answer)
    elif indicator_id is None:
        _print_indicators(read(list[IndicatorInfo], answer))
    else:
        _print_indicator(read(IndicatorInfo, answer))


def _print_indicators(indicators: Iterable[IndicatorInfo]) -> None:
    rows = [
        (
            indicator.id,
            indicator.title,
            ", ".join(f"{param.name} {param.min:g}–{param.max:g}" for param in indicator.params),
            indicator.rule.family,
        )
        for indicator in indicators
    ]
    names = ("id", "title", "parameters", "signal rule")
    print_table(output(), names, rows, text=names)


def _print_indicator(indicator: IndicatorInfo) -> None:
    """Print everything about one indicator: what it is, its inputs, its parameters, its signal rule."""
    console = output()
    console.print(f"{indicator.id}: {indicator.title} (version {indicator.version})", style="bold")
    console.print(indicator.description)
    console.print(f"\noutputs: {', '.join(indicator.outputs)}")
    console.print(f"signal rule: {indicator.rule.family}: {indicator.rule.meaning}\n")
    inputs = [(column.name, column.default, ", ".join(column.columns)) for column in indicator.inputs]
    print_table(console, ("input", "default", "columns"), inputs, text=("input", "default", "columns"))
    console.print()
    rows = [
        *(_param_row("params", param) for param in indicator.params),
        *(_param_row("signal", param) for param in indicator.rule.params),
    ]
    names = ("group", "name", "kind", "default", "min", "max", "default axis", "description")
    print_table(console, names, rows, text=("group", "name", "kind", "default axis", "description"))


def _param_row(group: str, param: ParamInfo) -> tuple[str, ...]:
    numbers = (f"{value:g}" for value in (param.default, param.min, param.max))
    axis = f"{param.grid.start:g} to {param.grid.stop:g} by {param.grid.step:g}"
    return (group, param.name, param.kind, *numbers, axis, param.description)
