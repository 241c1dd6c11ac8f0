"""One variant of a ranked table: out of a file, out of stdin, or out of an answer that was kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candleray.errors import BadFile, NotFound, first_line, invalid
from candleray.terminal.console import notes
from candleray.terminal.last_answers import last_answer
from candleray.terminal.options import read_request
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from candleray.backtests.metrics import MetricValue

Rank = Annotated[int, typer.Option("--rank", min=1, help="Which variant of the ranked table.")]
Last = Annotated[bool, typer.Option("--last", help="Of the last search that this command line showed.")]
Back = Annotated[int, typer.Option("--back", min=1, help="With --last: 2 is the search before the last.")]


def read_content(file: str | None, last: bool, back: int) -> Mapping[str, Any]:
    """The JSON object in a file, on stdin, or of the kept answer.

    Raises:
        InvalidInput: both a file and --last are given, or --back without --last.
        BadFile: it is no JSON object.
    """
    if last and file is not None:
        raise invalid("--last", "two_sources", f"{file} and --last are two sources: give one of them")
    if back > 1 and not last:
        raise invalid("--back", "no_source", "--back counts the answers of --last: give both")
    if last:
        kept = last_answer(back)
        notes().print(f"of {kept}")
        return kept.content
    try:
        content = json.loads(read_request(file or "-"))
    except ValueError as exc:
        raise BadFile(f"{file or 'stdin'} is not JSON: {first_line(exc)}") from None
    if not isinstance(content, dict):
        raise BadFile(f"{file or 'stdin'} is no JSON object: a backtest's answer is one")
    return content


def variant_of(content: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    """The variant of that rank.

    Raises:
        NotFound: there is no such rank; or no ranks at all.
    """
    top = content.get("top")
    if not isinstance(top, list):
        raise BadFile("that is no answer to a backtest: it has no ranked table `top`")
    for variant in top:
        if isinstance(variant, dict) and variant.get("rank") == rank:
            return variant
    raise NotFound(f"there is no rank {rank}; the answer has {len(top)}")


def print_report(console: Console, metrics: Mapping[str, MetricValue], title: str) -> None:
    """Print a variant's metrics, a line each."""
    from candleray.backtests.report import shown

    rows = [(name, shown(name, value)) for name, value in metrics.items()]
    print_table(console, ("Metric", "Value"), rows, title=title, text=("Metric",))
