"""`candleray robustness`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect
from candleray.terminal.progress import working
from candleray.terminal.strategy_requests import (
    RangeEnd,
    RangeStart,
    RequestOrStrategy,
    VariantNumber,
    request_content,
)
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from candleray.backtests.robustness import Figures, Robustness


def robustness(
    request: RequestOrStrategy,
    variant: VariantNumber = 0,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHECK",
            help="Make this check alone, or these: costs, delay, parameters, years, starts, skipped, noise.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of what is drawn at random.")] = 0,
    draws: Annotated[int, typer.Option(min=1, help="Draws of trades that are left out.")] = 1000,
    noise_draws: Annotated[int, typer.Option(min=1, help="Draws of candles with noise.")] = 20,
    start: RangeStart = None,
    end: RangeEnd = None,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Run one strategy beside itself with one thing otherwise, and name the worst case.

    Costs times 2 to 4, entries 1 to 3 bars later, every number a step lower and higher, each year alone, a later
    start, trades left out at random, candles with noise. Of a search one variant is checked, the first if none is
    named. A saved strategy is checked over the last year of its candles, or over `--start` to `--end`.

    Example: candleray robustness request.json --only costs --only delay
    """
    from candleray.sdk.connection import read
    from candleray.sdk.references import request_body

    query: dict[str, str | int | list[str] | None] = {
        "variant_index": variant,
        "check": only or [],
        "seed": seed,
        "draws": draws,
        "noise_draws": noise_draws,
    }
    with connect(api, data) as client, working("checking"):
        content = request_body(client, request_content(client, request, start, end))
        answer = client.send("POST", "/backtests/robustness", content=content, params=query)
    if as_json:
        sys.stdout.buffer.write(answer)
        return
    from candleray.backtests.robustness import Robustness

    _show(read(Robustness, answer))


def _show(told: Robustness) -> None:
    console = output()
    for sentence in told.sentences:
        console.print(sentence)
    console.print()
    rows = [("as it is", *_cells(told.base)), *((case.name, *_cells(case.figures)) for case in told.cases)]
    columns = ("case", "return %", "Sharpe", "drawdown %", "trades", "held %")
    print_table(console, columns, rows, title="the strategy beside itself", text=("case",))
    console.print()
    for line in told.summary:
        console.print(line)
    for note in told.notes:
        notes().print(note)


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.total_return_pct:+,.2f}",
        "–" if figures.sharpe_ratio is None else f"{figures.sharpe_ratio:.2f}",
        f"{figures.max_drawdown_pct:.2f}",
        f"{figures.trades:,}",
        f"{figures.benchmark_return_pct:+,.2f}",
    )
