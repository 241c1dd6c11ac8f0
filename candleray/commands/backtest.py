"""`candleray backtest`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import output
from candleray.terminal.hints import after_ranking, here, interruptible, show_next
from candleray.terminal.last_answers import keep_answer
from candleray.terminal.options import (
    ApiUrl,
    AsJson,
    DataDir,
    MinTrades,
    RankBy,
    connect,
    read_request,
    with_ranking,
)
from candleray.terminal.progress import working
from candleray.terminal.ranked_variants import print_report
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from candleray.backtests.result import Elapsed


def backtest(
    request: Annotated[str, typer.Argument(metavar="FILE|-", help="The request as JSON; - reads it from stdin.")],
    top: Annotated[int, typer.Option(min=1, help="How many of the ranked variants to show.")] = 10,
    report: Annotated[bool, typer.Option(help="Show the best variant's report.")] = True,
    rank_by: RankBy = None,
    min_trades: MinTrades = None,
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

    body = with_ranking(read_request(request), rank_by, min_trades)
    given_up = (
        f"the search was given up and nothing of it is kept; `candleray job submit {request}` searches on its own"
    )
    with connect(api, data) as client, interruptible(given_up), working("searching"):
        answer = client.send("POST", "/backtests", content=request_body(client, body))
    keep_answer(answer, f"backtest {request}", client.url)
    if as_json:
        sys.stdout.buffer.write(answer)
    else:
        _show_next(_show(answer, top, report), request, here(api, data))


def _show_next(rows: int, request: str, where: str) -> None:
    """Propose what can work: stdin cannot be read again, and of no row there is nothing to report."""
    again = request != "-"
    about_none = [f"explain {request}{where}    # what blocks it"] if again and not rows else []
    in_a_job = [f"job submit {request}{where}    # in the background, of any size"] if again else []
    show_next(*after_ranking(rows, where), *about_none, *in_a_job)


def _show(answer: bytes, top: int, report: bool) -> int:
    """Print the answer, and return how many ranks it has."""
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
        print_report(console, best.metrics, f"the report of rank 1, variant {best.variant_index}")
        console.print()
    _print_phases(console, result.elapsed_s)
    return len(result.top)


def _print_phases(console: Console, elapsed: Elapsed) -> None:
    once = {"compile": " (once)"}
    phases = (
        f"{name} {seconds:.3f} s{once.get(name, '')}" for name, seconds in elapsed.model_dump().items() if seconds
    )
    console.print(f"phases: {', '.join(phases)}")
