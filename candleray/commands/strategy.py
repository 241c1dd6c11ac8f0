"""Save strategies for good: from a backtest or a job, list them, clone them, delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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

if TYPE_CHECKING:
    from candleray.strategies.strategy import Strategy

strategy = typer.Typer(
    no_args_is_help=True,
    help=f"{__doc__}\n\nExample: candleray strategy create answer.json --rank 1",
    rich_markup_mode="markdown",
)

StrategyId = Annotated[str, typer.Argument(metavar="STRATEGY", help="The id that `create` or `list` printed.")]


@strategy.command()
def create(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|-]", help="A strategy, or a backtest's answer, as JSON; - reads stdin."),
    ] = None,
    rank: Annotated[int, typer.Option(min=1, help="Of a backtest's answer: which variant.")] = 1,
    job: Annotated[str | None, typer.Option(help="In place of a file: the job whose variant it is.")] = None,
    variant: Annotated[int, typer.Option(min=0, help="Of a job: the variant's number.")] = 0,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Save a strategy; content that is saved already is the strategy that is there.

    Example: candleray backtest request.json --json | candleray strategy create -
    """
    with connect(api, data) as client:
        if job is not None:
            saved = client.save_job_variant(job, variant)
        else:
            saved = client.save_strategy(_content(read_request(file or "-"), rank))
    _show(saved, as_json)


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
    from candleray.sdk.connection import encoded
    from candleray.strategy_tables import print_strategies
    from candleray.terminal.console import output

    with connect(api, data) as client:
        found = client.strategies(market, symbol, timeframe=timeframe, indicator=indicator, name=name, limit=limit)
    if as_json:
        typer.echo(encoded(found))
    else:
        print_strategies(output(), found)


@strategy.command()
def show(strategy_id: StrategyId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show one strategy with everything that makes it.

    Example: candleray strategy show 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1
    """
    with connect(api, data) as client:
        found = client.strategy(strategy_id)
    _show(found, as_json)


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
def delete(strategy_id: StrategyId, api: ApiUrl = None, data: DataDir = None) -> None:
    """Delete a strategy that does not run; its content may be saved again.

    Example: candleray strategy delete 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1
    """
    from candleray.terminal.console import notes

    with connect(api, data) as client:
        gone = client.delete_strategy(strategy_id)
    notes().print(f"deleted: {gone.name}")


def _content(body: bytes, rank: int) -> bytes:
    """The strategy itself, where it was found in a backtest's answer."""
    import json

    from candleray.errors import BadFile, NotFound
    from candleray.sdk.connection import encoded

    try:
        content = json.loads(body)
    except ValueError as exc:
        raise BadFile(f"the strategy is not JSON: {exc}") from None
    if not isinstance(content, dict) or "top" not in content:
        return body
    for one in content["top"]:
        if one["rank"] == rank:
            return encoded(one["strategy"])
    raise NotFound(f"there is no rank {rank}; the answer has {len(content['top'])}")


def _show(found: Strategy, as_json: bool) -> None:
    from candleray.strategy_tables import print_strategy
    from candleray.terminal.console import output

    if as_json:
        typer.echo(found.model_dump_json())
    else:
        print_strategy(output(), found)
