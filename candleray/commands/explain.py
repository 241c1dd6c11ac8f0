"""`candleray explain`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from candleray.terminal.console import notes, output
from candleray.terminal.hints import here, show_next
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect
from candleray.terminal.progress import working
from candleray.terminal.strategy_requests import (
    RangeEnd,
    RangeStart,
    RequestOrStrategy,
    VariantNumber,
    is_file,
    request_content,
)
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from candleray.backtests.explanation import Explanation


def explain(
    request: RequestOrStrategy,
    variant: VariantNumber = 0,
    start: RangeStart = None,
    end: RangeEnd = None,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Say a strategy in plain English, and on how many bars of the range each of its conditions is true.

    Where a side never opens, the conditions to blame are named. A grid is said with its axes; the numbers are of
    one variant, the first if none is named. A saved strategy is looked at over the last year of its candles, or
    over `--start` to `--end`.

    Example: candleray explain request.json --variant 3
    """
    from candleray.sdk.connection import read
    from candleray.sdk.references import request_body

    with connect(api, data) as client, working("looking"):
        content = request_body(client, request_content(client, request, start, end))
        answer = client.send("POST", "/backtests/explain", content=content, params={"variant_index": variant})
    if as_json:
        sys.stdout.buffer.write(answer)
        return
    from candleray.backtests.explanation import Explanation

    _show(read(Explanation, answer))
    if is_file(request):
        show_next(f"backtest {request}{here(api, data)}")


def _show(told: Explanation) -> None:
    console = output()
    for sentence in told.sentences:
        console.print(sentence)
    if told.variants_total > 1:
        console.print(f"\nvariant {told.variant_index} of {told.variants_total:,}:", style="bold")
        for sentence in told.variant_sentences:
            console.print(sentence)
    console.print()
    rows = [
        (one.path, f"{one.true_bars:,}", f"{one.true_pct:.2f}", f"{one.unknown_bars:,}", one.words)
        for one in told.conditions
    ]
    columns = ("path", "true bars", "true %", "unknown", "condition")
    print_table(console, columns, rows, title=f"conditions on {told.bars:,} bars", text=("path", "condition"))
    console.print()
    for side, count in told.signal_bars.items():
        first = ", ".join(one.time for one in told.first_signals if one.side == side)
        console.print(f"{count:,} bars may open {side}" + (f", the first {first}" if first else ""))
    for one in told.blockers:
        console.print(f"blocked by {one.path}, {one.words}: {one.message}")
    for note in told.notes:
        notes().print(note)
