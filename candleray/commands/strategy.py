"""Save strategies for good: from a backtest or a job, list them, clone them, delete them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candleray.terminal.console import notes, output, print_json
from candleray.terminal.hints import here, show_next
from candleray.terminal.options import (
    AnyMarket,
    AnySymbol,
    ApiUrl,
    AsJson,
    AsJsonList,
    DataDir,
    connect,
    read_request,
)
from candleray.terminal.ranked_variants import Back, Last, Rank, read_content, variant_of
from candleray.terminal.strategy_words import meaning, print_meaning
from candleray.terminal.tables import print_table, second_text

if TYPE_CHECKING:
    from candleray.strategies.strategy import Strategy

strategy = typer.Typer(
    no_args_is_help=True,
    help=f"{__doc__}\n\nExample: candleray strategy create answer.json --rank 1",
    rich_markup_mode="markdown",
)

StrategyId = Annotated[str, typer.Argument(metavar="STRATEGY", help="Its id, the beginning of one, or its name.")]


@strategy.command()
def create(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|-]", help="A strategy, or a backtest's answer, as JSON; - reads stdin."),
    ] = None,
    last: Last = False,
    back: Back = 1,
    rank: Rank = 1,
    job: Annotated[str | None, typer.Option(help="In place of a file: the job whose variant it is.")] = None,
    variant: Annotated[int, typer.Option(min=0, help="Of a job: the variant's number.")] = 0,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Save a strategy; content that is saved already is the strategy that is there.

    Example: candleray strategy create --last --rank 1
    """
    content = None if job else read_content(file, last, back)
    with connect(api, data) as client:
        if content:
            saved = client.save_strategy(_chosen(content, rank), request_hash=_search_of(content))
        else:
            saved = client.save_job_variant(job or "", variant)
    _show(saved, as_json)
    if not as_json:
        show_next(
            f"strategy show {saved.name}{here(api, data)}",
            *([f"run start {saved.name}{here(api, data)}"] if _is_runnable(saved) else []),
            f"strategy list{here(api, data)}",
        )


def _is_runnable(saved: Strategy) -> bool:
    from candleray.errors import InvalidInput
    from candleray.live.starting.runnable import require_runnable

    try:
        require_runnable(saved.spec)
    except InvalidInput:
        return False
    return True


@strategy.command("list")
def list_strategies(
    name: Annotated[str | None, typer.Argument(metavar="[PART]", help="Part of the name.")] = None,
    market: AnyMarket = None,
    symbol: AnySymbol = None,
    timeframe: Annotated[str | None, typer.Option(help="Such as 1h.")] = None,
    indicator: Annotated[str | None, typer.Option(help="Those that use it, such as sma.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """List your strategies, the newest first.

    Example: candleray strategy list --symbol BTCUSDT --indicator sma
    """
    with connect(api, data) as client:
        strategies = client.strategies(
            market, symbol, timeframe=timeframe, indicator=indicator, name=name, limit=limit
        )
    if as_json:
        print_json(strategies)
    else:
        _print_strategies(strategies)


@strategy.command()
def template(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One of them, as a request in JSON.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the ideas that every trader knows, or one of them as a request.

    Example: candleray strategy template ema-cross | candleray backtest -
    """
    from candleray.strategies.template import find_template, templates

    if name is None:
        known = list(templates().values())
        if as_json:
            print_json(known)
            return
        columns = ("name", "title", "sentence")
        print_table(output(), columns, [(one.name, one.title, one.sentence) for one in known], text=columns)
        return
    chosen = find_template(name)
    notes().print(chosen.sentence)
    if as_json:
        print_json(chosen.request)
    else:
        typer.echo(chosen.json_text)


@strategy.command()
def show(strategy_id: StrategyId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show one strategy with everything that makes it.

    Example: candleray strategy show 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1
    """
    with connect(api, data) as client:
        saved = client.strategy(strategy_id)
    _show(saved, as_json)


@strategy.command()
def clone(
    strategy_id: StrategyId,
    changes: Annotated[
        str, typer.Argument(metavar="FILE|-", help="The parts that are other than the parent's, as JSON.")
    ],
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Save a new strategy after another; a part that is named replaces the parent's whole part.

    Example: echo '{"risk": {"sl_pct": 2}}' | candleray strategy clone 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1 -
    """
    body = read_request(changes)
    with connect(api, data) as client:
        saved = client.clone_strategy(strategy_id, body)
    _show(saved, as_json)


@strategy.command()
def delete(strategy_id: StrategyId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Delete a strategy that does not run; its content may be saved again.

    Example: candleray strategy delete 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1
    """
    with connect(api, data) as client:
        deleted = client.delete_strategy(strategy_id)
    if as_json:
        print_json(deleted)
    else:
        notes().print(f"deleted: {deleted.name}")


def _chosen(content: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    """The strategy as it stands there, or the one of that rank in an answer."""
    return variant_of(content, rank)["strategy"] if "top" in content else content


def _search_of(content: Mapping[str, Any]) -> str | None:
    """Return the name of the search that an answer is to, so that its verdict is kept with the strategy."""
    return content.get("request_hash") if "top" in content else None


def _show(saved: Strategy, as_json: bool) -> None:
    if as_json:
        typer.echo(saved.model_dump_json())
    else:
        _print_strategy(saved)


def _print_strategies(strategies: Iterable[Strategy]) -> None:
    rows = [
        (
            str(saved.strategy_id),
            saved.name,
            saved.spec.instrument.market.name,
            str(saved.spec.traded_direction),
            second_text(saved.created_at),
            meaning(saved.spec),
        )
        for saved in strategies
    ]
    names = ("strategy", "name", "market", "direction", "saved", "meaning")
    print_table(output(), names, rows, text=names)


def _print_strategy(saved: Strategy) -> None:
    """Print what a strategy does in words, then everything about it, a line a value."""
    from candleray.backtests.parameters import parameters

    spec = saved.spec.model_dump(mode="json")
    flat = parameters(spec)
    sizing = {f"sizing.{name}": value for name, value in spec["sizing"].items() if name not in flat}
    values = {
        "strategy": saved.strategy_id,
        "market": saved.spec.instrument.market.name,
        "symbol": saved.spec.instrument.symbol,
        "timeframe": saved.spec.timeframe,
        **flat,
        "direction": saved.spec.traded_direction,
        **{name: spec[name] for name in ("exit_on", "init_cash_quote", "fee_pct", "slippage_pct")},
        **sizing,
        "cloned from": saved.parent_id or "–",
        "saved": second_text(saved.created_at),
        "spec_hash": saved.spec_hash,
    }
    rows = [(name, str(value)) for name, value in values.items()]
    console = output()
    print_meaning(console, saved.name, saved.spec)
    if saved.verdict is not None:
        console.print(f"{saved.verdict.line} (of the search that it was saved from)", highlight=False)
    for one in saved.holdouts:
        console.print(one.line, highlight=False)
    print_table(console, ("field", "value"), rows, text=("field", "value"))
