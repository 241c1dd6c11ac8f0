"""`candleray null`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output, print_json
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect, read_request
from candleray.terminal.progress import working
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from candleray.backtests.chance.null_model import NullModel

WIDEST_BAR = 40


class Model(StrEnum):
    WALK = "walk"
    BLOCKS = "blocks"


def null(
    request: Annotated[str, typer.Argument(metavar="FILE|-", help="The search as JSON; - reads it from stdin.")],
    walks: Annotated[int, typer.Option(min=1, help="How many histories of chance.")] = 200,
    model: Annotated[
        Model, typer.Option(help="Random walks, or the candles in another order, a day at a time.")
    ] = Model.WALK,
    seed: Annotated[int, typer.Option(min=0, help="The seed of what is drawn at random.")] = 0,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Search histories of chance, and say how often luck alone reaches the best of the search.

    The same grid is searched over random walks with the volatility of the candles, or over the candles shuffled in
    blocks of a day: there is nothing to find in them. What their best variants return is what a best variant may
    owe to luck. The same seed gives the same numbers.

    Example: candleray null request.json --walks 200 --model blocks
    """
    body = read_request(request)
    with connect(api, data) as client, working(f"0 of {walks:,} histories") as say:
        for told in client.null_parts(body, walks, model=model.value, seed=seed):
            say(f"{told.walks:,} of {walks:,} histories, p {told.p:.2g} so far")
    if as_json:
        print_json(told)
        return
    _show(told)


def _show(told: NullModel) -> None:
    console = output()
    if told.histogram is not None:
        edges, counts = told.histogram.edges, told.histogram.counts
        tallest = max(counts)
        rows = [
            (f"{low:,.2f} to {high:,.2f}", str(count), "█" * -(-count * WIDEST_BAR // tallest))
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
        ]
        print_table(console, (told.metric, "histories", ""), rows, title="the best of each history", text=("",))
        console.print()
    for line in told.summary:
        console.print(line)
    for note in told.notes:
        notes().print(note)
