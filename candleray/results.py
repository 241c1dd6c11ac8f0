"""Views of a backtest's answer: columns for Arrow and pandas, a few lines of text, a table for a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from candleray.backtests.report import shown
from candleray.errors import NotFound
from candleray.text_table import aligned
from candleray.timeframes import iso

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from candleray.backtests.request import BacktestRequest, BacktestResult, RankedVariant

HEADLINE_METRICS = (
    "Total Return [%]",
    "Max. Drawdown [%]",
    "Num. Trades",
    "Win Rate [%]",
    "Sharpe Ratio",
    "Sortino Ratio",
)
"""The metrics that a short table shows; the whole report of a variant is its `table_md`."""

SHORT_TABLE_ROWS = 10


class Headlines(NamedTuple):
    """The short table, every cell as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def parameters(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """What tells one variant from another, flat: `{"sma.source": "close", "sma.window": 20, …}`.

    The second indicator of one id is `sma_2`; a name that an indicator has twice carries its group as well.
    """
    flat: dict[str, Any] = {}
    seen: dict[str, int] = {}
    for indicator in strategy["indicators"]:
        name = str(indicator["id"])
        seen[name] = seen.get(name, 0) + 1
        label = name if seen[name] == 1 else f"{name}_{seen[name]}"
        for group in ("inputs", "params", "signal"):
            for key, value in indicator.get(group, {}).items():
                short = f"{label}.{key}"
                flat[f"{label}.{group}.{key}" if short in flat else short] = value
    levels = strategy.get("risk") or {}
    return flat | {key: value for key, value in levels.items() if value is not None}


def varied(request: BacktestRequest) -> list[str]:
    """The names of the parameters that differ between the variants of a resolved request."""
    axes = parameters(request.model_dump(mode="json"))
    return [name for name, axis in axes.items() if _count(axis) > 1]


def _count(axis: Any) -> int:
    if isinstance(axis, dict):
        if "values" in axis:
            return len(axis["values"])
        return 1 if axis["start"] + axis["step"] > axis["stop"] else 2
    return len(axis) if isinstance(axis, list | tuple) else 1


def to_arrow(result: BacktestResult) -> pa.Table:
    """One row a variant: rank, index, return, every parameter, every metric (times and durations typed)."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        "rank": pa.array([one.rank for one in result.top], pa.int64()),
        "variant_index": pa.array([one.variant_index for one in result.top], pa.int64()),
        "total_return_pct": pa.array([one.total_return_pct for one in result.top], pa.float64()),
        "conflicting_signals": pa.array([one.conflicting_signals for one in result.top], pa.int64()),
    }
    chosen = [parameters(one.strategy) for one in result.top]
    for name in parameters(result.request.model_dump(mode="json")):
        columns[name] = pa.array([one.get(name) for one in chosen])
    for name in result.top[0].metrics if result.top else ():
        columns[name] = pa.array([one.metrics.get(name) for one in result.top], _metric_type(name))
    return pa.table(columns)


def _metric_type(name: str) -> Any:
    """A metric's type by its name, so that it does not depend on the numbers of one answer."""
    import pyarrow as pa

    if name in ("Start", "End"):
        return pa.timestamp("ms", tz="UTC")
    if "Duration" in name:
        return pa.duration("ms")
    return pa.int64() if name.startswith("Num.") else pa.float64()


def trades(result: BacktestResult, rank: int) -> pd.DataFrame:
    """The trades of the variant of that rank, one a row, its times as timestamps.

    Raises:
        NotFound: there is no such rank, or its trades were not asked for.
    """
    import pandas as pd

    from candleray.backtests.request import Trade

    variant = ranked(result, rank)
    if variant.trades is None:
        raise NotFound(
            f"the answer lists no trades of rank {rank}: ask for them with trades_for of {rank} or more"
        )
    frame = pd.DataFrame([trade.model_dump() for trade in variant.trades], columns=list(Trade.model_fields))
    for column in ("entry_time", "exit_time"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame


def ranked(result: BacktestResult, rank: int) -> RankedVariant:
    """Raises NotFound where the answer has no such rank."""
    for variant in result.top:
        if variant.rank == rank:
            return variant
    raise NotFound(f"there is no rank {rank}; the answer has ranks 1 to {len(result.top)}")


def headlines(result: BacktestResult, rows: int = SHORT_TABLE_ROWS) -> Headlines:
    """The best variants: rank, the parameters that vary, the metrics one looks at first."""
    request = result.request
    names = varied(request)
    metrics = [name for name in HEADLINE_METRICS if result.top and name in result.top[0].metrics]
    times = f"{iso(request.time_range.start_ms)} to {iso(request.time_range.end_ms)}"
    market = request.instrument.market.name
    return Headlines(
        title=f"{market} {request.instrument.symbol} {request.timeframe}, {times}, {request.direction}",
        columns=("rank", *names, *metrics),
        rows=tuple(_headline(one, names, metrics) for one in result.top[:rows]),
        note=(
            f"{result.variants_evaluated:,} of {result.variants_total:,} variants over {result.bars:,} bars "
            f"in {result.elapsed_s.total:.2f} s; {min(rows, len(result.top)):,} of {len(result.top):,} shown"
            f"{_pruned(result)}{_cut(result)}" + "".join(f"\n{note}" for note in result.notes)
        ),
    )


def _pruned(result: BacktestResult) -> str:
    """How many variants were pruned and by what, where some were."""
    counts = [f"{count:,} by {name}" for name, count in result.pruned.items() if count]
    return f"; pruned {sum(result.pruned.values()):,}: {', '.join(counts)}" if counts else ""


def _cut(result: BacktestResult) -> str:
    """What a shortlist has left out, where it has."""
    shortlist = result.shortlist
    if shortlist is None or shortlist.exact:
        return ""
    best = shown("Total Return [%]", shortlist.best_cut_return_pct)
    return (
        f"; not exact: of {shortlist.base_variants:,} base variants {shortlist.cut:,} were cut, "
        f"{best} % or less without stops"
    )


def _headline(variant: RankedVariant, names: Sequence[str], metrics: Sequence[str]) -> tuple[str, ...]:
    chosen = parameters(variant.strategy)
    numbers = (shown(name, variant.metrics.get(name)) for name in metrics)
    return (str(variant.rank), *(str(chosen.get(name, "–")) for name in names), *numbers)


def as_text(result: BacktestResult) -> str:
    """The short table in plain text."""
    short = headlines(result)
    table = aligned(short.columns, short.rows)
    return "\n".join([short.title, *table.header, *table.body, short.note])


def as_html(result: BacktestResult) -> str:
    """The short table for a notebook."""
    short = headlines(result)
    head = "".join(f"<th>{escape(name)}</th>" for name in short.columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align: right">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in short.rows
    )
    caption = f"<caption>{escape(short.title)}<br>{escape(short.note)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
