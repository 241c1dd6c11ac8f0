"""Run several strategies over one account."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.errors import NotFound
from candleray.terminal.console import notes, output
from candleray.terminal.default_command import DefaultCommandGroup
from candleray.terminal.hints import here, show_next
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect, read_request
from candleray.terminal.progress import working
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from candleray.portfolio.portfolio_result import PortfolioResult, Suggestion

portfolio = typer.Typer(
    cls=DefaultCommandGroup,
    no_args_is_help=True,
    help=f"{__doc__}\n\nExample: candleray portfolio portfolio.json",
    rich_markup_mode="markdown",
)


@portfolio.command("backtest")
def backtest_portfolio(
    request: Annotated[
        str, typer.Argument(metavar="FILE|-", help="The portfolio as JSON; - reads it from stdin.")
    ],
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Run several strategies over one account, with shares, rebalances and limits.

    Members are saved strategies, by name or id, or written out. Shown are the whole, each member, its equity by
    day, and every moment at which a limit halted it.

    Example: candleray portfolio backtest portfolio.json
    """
    body = read_request(request)
    with connect(api, data) as client, working("running"):
        told = client.portfolio(body)
    if as_json:
        sys.stdout.write(told.model_dump_json() + "\n")
        return
    _show(told)


@portfolio.command()
def suggest(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or the beginning of one.")],
    members: Annotated[int, typer.Option(min=2, max=20, help="How many to choose.")] = 5,
    max_correlation: Annotated[
        float, typer.Option(min=-1, max=1, help="Daily correlation that no two may exceed.")
    ] = 0.5,
    candidates: Annotated[int, typer.Option(min=2, max=500, help="The best variants that are looked at.")] = 100,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Choose variants of a job's top that together have the best Sharpe ratio, no two of them much alike.

    The ratio is that of the mean of their daily returns. The choice is made in sample: it is told of the same days
    that it was made on.

    Example: candleray portfolio suggest 2f1f --members 5 --max-correlation 0.4
    """
    with connect(api, data) as client, working("choosing"):
        asked_job = client.job(job)
        top = asked_job.top(limit=candidates)
        strategies = [variant.strategy for variant in top.variants]
        if len(strategies) < members:
            raise NotFound(
                f"job {top.job_id} is {top.state} and has {len(strategies)} variants: {members} are wanted"
            )
        asked = {
            "members": [
                {"strategy": strategy, "name": f"rank {variant.rank}, variant {variant.variant_index}"}
                for strategy, variant in zip(strategies, top.variants, strict=True)
            ],
            "time_range": strategies[0]["time_range"],
            "allow_gaps": True,
            "choose": members,
            "max_correlation": max_correlation,
        }
        told = client.suggest_portfolio(asked)
    if as_json:
        sys.stdout.write(told.model_dump_json() + "\n")
        return
    _show_suggestion(told)
    chosen = (top.variants[one.place].variant_index for one in told.members)
    show_next(*(f"strategy create --job {job} --variant {number}{here(api, data)}" for number in chosen))


def _show_suggestion(told: Suggestion) -> None:
    console = output()
    rows = [
        (
            one.name,
            _ratio(one.sharpe_ratio),
            f"{one.total_return_pct:+,.2f}",
            _ratio(one.highest_correlation),
        )
        for one in told.members
    ]
    print_table(console, ("member", "Sharpe", "return %", "most like"), rows, title="chosen", text=("member",))
    console.print()
    for line in told.summary:
        console.print(line, highlight=False)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _show(told: PortfolioResult) -> None:
    from candleray.terminal.ranked_variants import print_report
    from candleray.terminal.strip_charts import strip_chart

    console = output()
    print_report(console, told.metrics, "the portfolio")
    console.print()
    _print_members(console, told)
    console.print()
    cash = told.request.init_cash_quote or told.days[0].equity_quote
    points = [cash, *(day.equity_quote for day in told.days)]
    console.print(f"equity by day, {told.days[0].day} to {told.days[-1].day}", style="bold")
    for line in strip_chart(points, width=min(72, console.width - 16)):
        console.print(line, highlight=False)
    _print_events(console, told)
    for note in told.notes:
        notes().print(note)


def _print_members(console: Console, told: PortfolioResult) -> None:
    shares = told.rebalances[-1].shares
    rows = [
        (
            one.name,
            f"{shares[at] * 100:.1f}",
            f"{one.contribution_pct:+,.2f}",
            f"{one.trades:,}",
            f"{one.time_share_pct:.1f}",
            _counts(one.refused),
            _counts(one.shrunk),
            _nearest(told, at),
        )
        for at, one in enumerate(told.members)
    ]
    columns = ("member", "last share %", "contributes %", "trades", "time %", "refused", "shrunk", "most like")
    text = ("member", "refused", "shrunk", "most like")
    print_table(console, columns, rows, title="its members", text=text)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "–"


def _nearest(told: PortfolioResult, at: int) -> str:
    """Return the member with the highest daily correlation."""
    others = [
        (value, told.members[other].name)
        for other, value in enumerate(told.correlation[at])
        if other != at and value is not None
    ]
    if not others:
        return "–"
    value, name = max(others)
    return f"{value:+.2f} {name}"


def _print_events(console: Console, told: PortfolioResult) -> None:
    moved = told.rebalances[1:]
    if moved:
        console.print(
            f"{len(moved):,} rebalances moved {sum(one.moved_quote for one in moved):,.2f}", highlight=False
        )
    for halt in told.halts[:10]:
        until = "for good" if halt.until is None else f"until {halt.until}"
        console.print(f"{halt.time}  {halt.limit} halted it {until}, at {halt.equity_quote:,.2f}", highlight=False)
    if len(told.halts) > 10:
        console.print(f"and {len(told.halts) - 10:,} more halts: --json has all", highlight=False)
