"""`candleray backtest`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect, read_request


def backtest(
    request: Annotated[str, typer.Argument(metavar="FILE|-", help="The request as JSON; - reads it from stdin.")],
    top: Annotated[int, typer.Option(min=1, help="How many of the ranked variants to show.")] = 10,
    report: Annotated[bool, typer.Option(help="Show the best variant's report.")] = True,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Search a grid of strategies and print the ranked table.

    The request names the instrument, the timeframe, the time range, the indicators with their axes, and the rules
    of trading. The table shows the parameters that vary; `--json` prints everything.

    Example: candleray backtest request.json --top 20
    """
    from candleray.terminal.console import notes

    body = read_request(request)
    with connect(api, data) as client, notes().status("searching"):
        answer = client.send("POST", "/backtests", content=body)
    if as_json:
        sys.stdout.buffer.write(answer)
    else:
        _show(answer, top, report)


def _show(answer: bytes, top: int, report: bool) -> None:
    from candleray.backtests.result import BacktestResult
    from candleray.sdk.client import read
    from candleray.terminal.console import output
    from candleray.terminal.tables import print_headlines, print_phases, print_report

    result = read(BacktestResult, answer)
    console = output()
    print_headlines(console, result.headlines(top))
    if report and result.top:
        best = result.top[0]
        console.print()
        print_report(console, best.metrics, f"the report of rank 1, variant {best.variant_index}")
        console.print()
    print_phases(console, result.elapsed_s)
