"""`candleray backtest`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect, read_request
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from candleray.backtests.metrics import MetricValue
    from candleray.backtests.result import Elapsed


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
    from candleray.sdk.references import request_body

    body = read_request(request)
    with connect(api, data) as client, notes().status("searching"):
        answer = client.send("POST", "/backtests", content=request_body(client, body))
    if as_json:
        sys.stdout.buffer.write(answer)
    else:
        _show(answer, top, report)


def _show(answer: bytes, top: int, report: bool) -> None:
    from candleray.backtests.result import BacktestResult
    from candleray.sdk.connection import read

    result = read(BacktestResult, answer)
    console = output()
    headlines = result.headlines(top)
    print_table(console, headlines.columns, headlines.rows, title=headlines.title)
    console.print(headlines.note)
    if report and result.top:
        best = result.top[0]
        console.print()
        _print_report(console, best.metrics, f"the report of rank 1, variant {best.variant_index}")
        console.print()
    _print_phases(console, result.elapsed_s)


def _print_report(console: Console, metrics: dict[str, MetricValue], title: str) -> None:
    from candleray.backtests.report import shown

    rows = [(name, shown(name, value)) for name, value in metrics.items()]
    print_table(console, ("Metric", "Value"), rows, title=title, text=("Metric",))


def _print_phases(console: Console, elapsed: Elapsed) -> None:
    phases = (f"{name} {seconds:.3f} s" for name, seconds in elapsed.model_dump().items() if seconds)
    console.print(f"phases: {', '.join(phases)}")
