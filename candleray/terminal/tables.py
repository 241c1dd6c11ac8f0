"""What the commands print: tables, reports, what became of rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from candleray.backtests.report import MetricValue, shown
from candleray.text_table import aligned
from candleray.timeframes import iso

if TYPE_CHECKING:
    from candleray.backtests.headlines import Headlines
    from candleray.backtests.result import Elapsed
    from candleray.indicators.info import IndicatorInfo, ParamInfo
    from candleray.indicators.series import IndicatorSeries
    from candleray.jobs.job import Job, JobTop
    from candleray.market_data.backfill import BackfillReport
    from candleray.market_data.coverage import Coverage, RowCounts
    from candleray.market_data.screening import InsertReport
    from candleray.markets import InstrumentReference

MOST_ABSENT_RUNS = 5


class Rows(ProgressColumn):
    """Rows done, of all there are where that is known, and how many a second."""

    def render(self, task: Task) -> Text:
        every = "" if task.total is None else f" of {task.total:,.0f}"
        speed = "" if task.speed is None else f", {task.speed:,.0f}/s"
        return Text(f"{task.completed:,.0f}{every} rows{speed}")


ROW_COLUMNS: tuple[ProgressColumn, ...] = (
    TextColumn("{task.description}"),
    BarColumn(bar_width=20),
    Rows(),
    TimeRemainingColumn(),
)
"""What a progress display in rows shows."""


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    text: Collection[str] = (),
) -> None:
    """Print rows of cells.

    Args:
        text: the columns that are words; all others are numbers, aligned to the right.
    """
    if title:
        console.print(title, style="bold")
    lines = aligned(columns, rows, text=text, width=console.width if console.is_terminal else None)
    for line in lines.header:
        console.print(line, style="bold cyan")
    for line in lines.body:
        console.print(line)


JOB_COLUMNS: tuple[ProgressColumn, ...] = (
    TextColumn("{task.description:<9}"),
    BarColumn(bar_width=24),
    TaskProgressColumn(),
    TextColumn("{task.fields[variants]}"),
    TextColumn("{task.fields[rate]}"),
    TextColumn("{task.fields[eta]}"),
    TextColumn("{task.fields[best]}", style="green"),
)
"""What the progress display of a job shows."""


def print_jobs(console: Console, jobs: Sequence[Job]) -> None:
    rows = [
        (
            str(one.job_id),
            one.state.value,
            one.phase,
            f"{100 * one.variants_done / max(1, one.simulations):.0f} %",
            f"{one.variants_total:,}",
            "" if one.best_total_return_pct is None else f"{one.best_total_return_pct:,.2f}",
            f"{one.created_at:%Y-%m-%d %H:%M:%S}",
            one.waiting_for or one.error or "",
        )
        for one in jobs
    ]
    names = ("job", "state", "phase", "done", "variants", "best return [%]", "created", "why")
    print_table(console, names, rows, text=("job", "state", "phase", "created", "why"))


def print_job_top(console: Console, found: JobTop) -> None:
    from candleray.backtests.parameters import parameters

    chosen = [parameters(one.strategy) for one in found.top]
    names = [name for name in (chosen[0] if chosen else ()) if len({repr(one.get(name)) for one in chosen}) > 1]
    rows = [
        (
            str(one.rank),
            str(one.variant_index),
            f"{one.total_return_pct:,.4f}",
            *(str(own.get(name)) for name in names),
        )
        for one, own in zip(found.top, chosen, strict=True)
    ]
    told = f"{found.state}, {found.variants_done:,} of {found.simulations:,} simulations"
    title = f"the best so far ({told})" if found.partial else f"the best ({told})"
    print_table(console, ("rank", "variant", "Total Return [%]", *names), rows, title=title)


def print_headlines(console: Console, headlines: Headlines) -> None:
    print_table(console, headlines.columns, headlines.rows, title=headlines.title)
    console.print(headlines.note)


def print_report(console: Console, metrics: dict[str, MetricValue], title: str) -> None:
    rows = [(name, shown(name, value)) for name, value in metrics.items()]
    print_table(console, ("Metric", "Value"), rows, title=title, text=("Metric",))


def print_phases(console: Console, elapsed: Elapsed) -> None:
    phases = (f"{name} {seconds:.3f} s" for name, seconds in elapsed.model_dump().items() if seconds)
    console.print(f"phases: {', '.join(phases)}")


def print_coverage(console: Console, found: Sequence[Coverage]) -> None:
    """One line an instrument, then every gap of each that has some."""
    rows = [
        (
            one.market.name,
            one.symbol,
            _minute(one.first),
            _minute(one.last),
            f"{one.candles:,}",
            f"{one.missing_minutes:,}",
            f"{len(one.missing_runs):,}",
        )
        for one in found
    ]
    names = ("market", "symbol", "first candle", "last candle", "candles", "missing minutes", "gaps")
    print_table(console, names, rows, text=names[:4])
    for one in found:
        if one.missing_runs:
            _print_gaps(console, one)


def print_counts(console: Console, found: Sequence[RowCounts]) -> None:
    rows = [(one.market.name, one.symbol, f"{one.raw:,}", f"{one.canonical:,}") for one in found]
    names = ("market", "symbol", "rows in raw", "candles in canonical")
    print_table(console, names, rows, text=names[:2])


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"


def _print_gaps(console: Console, coverage: Coverage) -> None:
    rows = [(_minute(run.start), _minute(run.end), f"{run.minutes:,}") for run in coverage.missing_runs]
    names = ("first missing minute", "first minute after", "minutes")
    console.print()
    print_table(console, names, rows, title=f"gaps of {coverage.market.name} {coverage.symbol}", text=names[:2])


def print_instruments(console: Console, found: Iterable[InstrumentReference]) -> None:
    rows = [
        (
            one.market.name,
            one.symbol,
            one.status or "–",
            "yes" if one.is_tradable else "no",
            one.base_asset or "–",
            one.quote_asset or "–",
            _number(one.price_tick),
            _number(one.quantity_step),
        )
        for one in found
    ]
    names = ("market", "symbol", "status", "tradable", "base", "quote", "price tick", "quantity step")
    print_table(console, names, rows, text=names[:6])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.12g}"


def print_indicators(console: Console, found: Iterable[IndicatorInfo]) -> None:
    rows = [
        (
            one.id,
            one.title,
            ", ".join(f"{param.name} {param.min:g}–{param.max:g}" for param in one.params),
            one.rule.family,
        )
        for one in found
    ]
    names = ("id", "title", "parameters", "signal rule")
    print_table(console, names, rows, text=names)


def print_indicator(console: Console, indicator: IndicatorInfo) -> None:
    """Everything about one: what it is, its inputs, its parameters, its signal rule."""
    console.print(f"{indicator.id}: {indicator.title} (version {indicator.version})", style="bold")
    console.print(indicator.description)
    console.print(f"\noutputs: {', '.join(indicator.outputs)}")
    console.print(f"signal rule: {indicator.rule.family}: {indicator.rule.meaning}\n")
    inputs = [(one.name, one.default, ", ".join(one.columns)) for one in indicator.inputs]
    print_table(console, ("input", "default", "columns"), inputs, text=("input", "default", "columns"))
    console.print()
    rows = [
        *(_param_row("params", param) for param in indicator.params),
        *(_param_row("signal", param) for param in indicator.rule.params),
    ]
    names = ("group", "name", "kind", "default", "min", "max", "default axis", "description")
    print_table(console, names, rows, text=("group", "name", "kind", "default axis", "description"))


def _param_row(group: str, param: ParamInfo) -> tuple[str, ...]:
    numbers = (f"{value:g}" for value in (param.default, param.min, param.max))
    axis = f"{param.grid.start:g} to {param.grid.stop:g} by {param.grid.step:g}"
    return (group, param.name, param.kind, *numbers, axis, param.description)


def print_inserted(console: Console, name: str, report: InsertReport) -> None:
    """What became of the rows of one source, with a line for each reason of refusal."""
    console.print(
        f"{name}: {report.received:,} rows read, {report.written:,} written, "
        f"{report.unchanged:,} unchanged, {report.refused_count:,} refused"
    )
    _print_refused(console, report)


def _print_refused(console: Console, report: InsertReport) -> None:
    for refused in report.refused:
        console.print(
            f"  refused {refused.count:,}: {refused.reason}; first: {refused.first_example}", style="yellow"
        )


def print_backfilled(console: Console, report: BackfillReport) -> None:
    """What a backfill did, and what the exchange did not have."""
    absent = sum(run.minutes for run in report.absent)
    console.print(
        f"{report.market.name} {report.symbol}: {report.missing_before:,} minutes were missing, "
        f"{report.fetched:,} fetched, {report.inserted.written:,} written, {absent:,} still missing, "
        f"{report.elapsed_s:.1f} s"
    )
    _print_refused(console, report.inserted)
    for run in report.absent[:MOST_ABSENT_RUNS]:
        console.print(f"  not at the exchange: {run.minutes:,} minutes from {_minute(run.start)}")
    if len(report.absent) > MOST_ABSENT_RUNS:
        console.print(
            f"  and {len(report.absent) - MOST_ABSENT_RUNS:,} more runs; `candleray candles` lists all gaps"
        )


def print_series(console: Console, series: IndicatorSeries, top: int) -> None:
    """The newest `top` bars of an indicator, oldest first."""
    first = max(0, len(series.ts_open_ms) - top)
    rows = [
        (iso(ts_ms), *(_number(values[row]) for values in series.outputs.values()))
        for row, ts_ms in enumerate(series.ts_open_ms[first:], first)
    ]
    chosen = {**series.indicator.inputs, **series.indicator.params}
    words = ", ".join(f"{name} {value}" for name, value in chosen.items())
    title = f"{series.indicator.id} ({words}) of {series.instrument.market.name} {series.instrument.symbol}"
    print_table(
        console, ("open time", *series.outputs), rows, title=f"{title} {series.timeframe}", text=("open time",)
    )
