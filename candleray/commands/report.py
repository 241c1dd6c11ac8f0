"""`candleray report`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candleray.terminal.console import output
from candleray.terminal.ranked_variants import Back, Last, Rank, print_report, read_content, variant_of
from candleray.terminal.strategy_words import print_meaning_of_json
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping


def report(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE|-]", help="A backtest's answer as JSON; - reads stdin.")
    ] = None,
    last: Last = False,
    back: Back = 1,
    rank: Rank = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the variant as JSON.")] = False,
) -> None:
    """Show the report of one variant of a search, with its parameters.

    Example: candleray report --last --rank 3
    """
    variant = variant_of(read_content(file, last, back), rank)
    if as_json:
        typer.echo(json.dumps(variant))
    else:
        _print_variant(variant)


def _print_variant(variant: Mapping[str, Any]) -> None:
    from candleray.backtests.parameters import parameters
    from candleray.backtests.report import shown

    console = output()
    print_meaning_of_json(
        console, f"rank {variant['rank']}, variant {variant['variant_index']}", variant["strategy"]
    )
    values = [(name, str(value)) for name, value in parameters(variant["strategy"]).items()]
    print_table(console, ("parameter", "value"), values, text=("parameter",))
    console.print()
    metrics = variant.get("metrics", {})
    if "table_md" in variant:
        print_report(console, metrics, "its report")
        if ties := variant.get("ties"):
            console.print(
                f"ties  {ties['exits']:,} exits came in a minute that touched both levels; decided the other way "
                f"it returns {ties['other_return_pct']:,.4f} %",
                highlight=False,
            )
    else:
        for name, value in metrics.items():
            console.print(f"{name}  {shown(name, value)}")
        console.print(
            f"Total Return [%]  {variant['total_return_pct']:,.4f}; its report comes when the job has ended"
        )
