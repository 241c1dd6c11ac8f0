"""Look at candles that were sealed before a search, and open them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output, print_json
from candleray.terminal.hints import here, show_next
from candleray.terminal.options import ApiUrl, AsJson, AsJsonList, DataDir, connect
from candleray.terminal.progress import working
from candleray.terminal.tables import print_table, second_text

if TYPE_CHECKING:
    from candleray.holdouts.holdout import Holdout

holdout = typer.Typer(
    no_args_is_help=True,
    help=f'{__doc__}\n\nA request\'s `holdout` seals them: `{{"holdout": {{"months": 3}}}}`.'
    "\n\nExample: candleray holdout list",
    rich_markup_mode="markdown",
)

HoldoutId = Annotated[str, typer.Argument(metavar="HOLDOUT", help="Its id, or the beginning of it.")]


@holdout.command("list")
def list_holdouts(as_json: AsJsonList = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """List your holdouts, the newest first.

    Example: candleray holdout list
    """
    with connect(api, data) as client:
        found = client.holdouts()
    if as_json:
        print_json(found)
    elif not found:
        notes().print(
            'no candles are sealed: a request with {"holdout": {"months": 3}} seals the last of its range'
        )
    else:
        rows = [
            (
                str(one.holdout_id),
                one.instrument.symbol,
                _span(one),
                "sealed" if one.opened_at is None else f"opened {second_text(one.opened_at)}",
                f"{one.searched_before:,}",
            )
            for one in found
        ]
        columns = ("holdout", "symbol", "candles", "state", "searched before")
        print_table(output(), columns, rows, text=columns[:4])


@holdout.command()
def show(holdout_id: HoldoutId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show one holdout, and what the chosen strategies did on it.

    Example: candleray holdout show 2f1f
    """
    with connect(api, data) as client:
        found = client.holdout(holdout_id)
    _show(found, as_json)


@holdout.command("open")
def open_holdout(
    holdout_id: HoldoutId,
    strategies: Annotated[
        list[str], typer.Argument(metavar="STRATEGY…", help="The saved strategies that you have chosen.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be undone.")] = False,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Run the chosen strategies over the sealed candles, once, and break the seal.

    Example: candleray holdout open 2f1f BTCUSDT-1h-rsi14-sma50-f3c83dc9
    """
    with connect(api, data) as client:
        if not yes:
            known = client.holdout(holdout_id)
            what = f"{known.instrument.symbol} {_span(known)} for {len(strategies)} of your strategies"
            question = f"open {what}, for good?"
            typer.confirm(question, abort=True, err=True)
        with working("opening"):
            opened = client.open_holdout(holdout_id, strategies)
    _show(opened, as_json)
    if not as_json and strategies:
        show_next(f"strategy show {strategies[0]}{here(api, data)}")


def _show(found: Holdout, as_json: bool) -> None:
    if as_json:
        typer.echo(found.model_dump_json())
        return
    console = output()
    state = "sealed" if found.opened_at is None else f"opened {second_text(found.opened_at)}"
    console.print(
        f"{found.instrument.symbol} {_span(found)}: {state}, holdout {found.holdout_id}", highlight=False
    )
    if found.searched_before:
        console.print(
            f"{found.searched_before:,} searches of yours had seen these candles before", highlight=False
        )
    rows = [
        (
            one.name,
            f"{one.total_return_pct:,.2f}",
            _number(one.benchmark_pct),
            _number(one.luck_p),
            _number(one.luck_p_among),
        )
        for one in found.results or ()
    ]
    if rows:
        columns = ("strategy", "return [%]", "hold [%]", "luck p", "of the best chosen")
        print_table(console, columns, rows, text=columns[:1])


def _span(one: Holdout) -> str:
    return f"{one.time_range.start:%Y-%m-%d} to {one.time_range.end:%Y-%m-%d}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"
