"""`candleray indicators`."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect


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
    from candleray.sdk.client import read
    from candleray.terminal.console import output
    from candleray.terminal.tables import print_indicator, print_indicators

    path = "/indicators" if indicator_id is None else f"/indicators/{quote(indicator_id, safe='')}"
    with connect(api, data) as client:
        answer = client.send("GET", path)
    if as_json:
        sys.stdout.buffer.write(answer)
    elif indicator_id is None:
        print_indicators(output(), read(list[IndicatorInfo], answer))
    else:
        print_indicator(output(), read(IndicatorInfo, answer))
