"""The metrics, each declared once: its name, the kind of its number, its meaning, its formula, its better side.

A metric that follows from a `Performance` is one entry of `METRICS`: the search computes it, a request may rank by
it, and every rendering knows its kind. The equity curve is the initial cash at the opening of the first bar, then
one point at the close of each bar, with an open position at the raw close. What is undefined (no trade, no
deviation, no drawdown to divide by) is None, never NaN, infinity or zero.

A drawdown episode runs from its peak, the last point at the peak's height, to its recovery, or to the end. A
shortfall or a deviation below 1e-12 of its scale is rounding and counts as none. A day is a UTC day of the bars'
openings; its return is its last equity against that of the day before, the first day against the initial cash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import Enum, StrEnum, auto
from typing import NamedTuple, TypeAlias

from candleray.backtests.facts import Performance

MetricValue: TypeAlias = float | int | None

_DAY_MS = 86_400_000
_DAYS_A_YEAR = 365
_ROUNDING = 1e-12


class MetricKind(Enum):
    """The type and unit of a metric's number."""

    TIME = auto()
    """Milliseconds since the epoch."""
    DURATION = auto()
    """Milliseconds."""
    COUNT = auto()
    """A whole number."""
    PERCENT = auto()
    QUOTE = auto()
    """An amount of quote currency."""
    RATIO = auto()


Formula: TypeAlias = Callable[[Performance], MetricValue]


class Better(StrEnum):
    """The side on which a metric is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"
    """The same for every variant of a search: nothing can be ranked by it."""


class Metric(NamedTuple):
    name: str
    kind: MetricKind
    meaning: str
    formula: Formula
    is_headline: bool = False
    """Shown in the short table."""
    better: Better = Better.HIGHER
    is_reported: bool = True
    """Shown in every report; otherwise in those of a search that ranks by it."""

    @property
    def id(self) -> str:
        """The name as a request's `rank_by` has it: `max_drawdown` for `Max. Drawdown [%]`."""
        return id_of(self.name)


def id_of(name: str) -> str:
    """The id that a metric of this name has; that of an id is itself."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _with_trades(formula: Formula) -> Formula:
    """Return None where there is no trade."""
    return lambda run: formula(run) if run.trades else None


def _with_drawdowns(formula: Formula) -> Formula:
    """Return None where the equity never fell."""
    return lambda run: formula(run) if run.drawdowns.episodes else None


def _sqn(run: Performance) -> MetricValue:
    profits = run.profits_quote
    if profits.deviation <= _ROUNDING * run.setting.init_cash_quote:
        return None
    return math.sqrt(profits.size) * profits.mean / profits.deviation


def _annual(mean: float, deviation: float) -> MetricValue:
    return mean / deviation * math.sqrt(_DAYS_A_YEAR) if deviation > _ROUNDING else None


def _profit_factor(run: Performance) -> MetricValue:
    profits = run.profits_quote.values
    # A running sum has one order on every processor.
    gained, lost = (
        float(each.cumsum()[-1]) if each.size else 0.0 for each in (profits[profits > 0], profits[profits < 0])
    )
    return gained / -lost if -lost > _ROUNDING * run.setting.init_cash_quote else None


def _calmar(run: Performance) -> MetricValue:
    if not run.max_drawdown_pct:
        return None
    growth, days = run.last_equity_quote / run.setting.init_cash_quote, run.setting.duration_ms / _DAY_MS
    try:
        calmar = (growth ** (_DAYS_A_YEAR / days) - 1.0) / (run.max_drawdown_pct / 100.0)
    except OverflowError:
        return None
    return calmar if math.isfinite(calmar) else None


TOTAL_RETURN = Metric(
    "Total Return [%]",
    MetricKind.PERCENT,
    "last equity / initial cash − 1",
    lambda run: run.total_return_pct,
    is_headline=True,
)
"""The metric by which a search ranks that names none."""

METRICS = (
    Metric(
        "Start",
        MetricKind.TIME,
        "opening of the first bar",
        lambda run: run.setting.start_ms,
        better=Better.NEITHER,
    ),
    Metric("End", MetricKind.TIME, "close of the last bar", lambda run: run.setting.end_ms, better=Better.NEITHER),
    Metric(
        "Duration",
        MetricKind.DURATION,
        "the time between the two",
        lambda run: run.setting.duration_ms,
        better=Better.NEITHER,
    ),
    Metric(
        "Init. Cash",
        MetricKind.QUOTE,
        "cash before the first bar",
        lambda run: run.setting.init_cash_quote,
        better=Better.NEITHER,
    ),
    Metric(
        "Total Profit",
        MetricKind.QUOTE,
        "last equity − initial cash",
        lambda run: run.last_equity_quote - run.setting.init_cash_quote,
    ),
    TOTAL_RETURN,
    Metric(
        "Benchmark Return [%]",
        MetricKind.PERCENT,
        "last close / first close − 1: buy and hold without costs",
        lambda run: (run.setting.last_close / run.setting.first_close - 1.0) * 100.0,
        better=Better.NEITHER,
    ),
    Metric(
        "Position Coverage [%]",
        MetricKind.PERCENT,
        "share of bars that end in a position",
        lambda run: run.bars_in_position / run.setting.bars * 100.0,
        better=Better.LOWER,
    ),
    Metric(
        "Max. Drawdown [%]",
        MetricKind.PERCENT,
        "largest fall of the equity from its peak so far; 0 where it never fell",
        lambda run: run.max_drawdown_pct,
        is_headline=True,
        better=Better.LOWER,
    ),
    Metric(
        "Avg. Drawdown [%]",
        MetricKind.PERCENT,
        "mean depth of the drawdown episodes",
        _with_drawdowns(lambda run: run.drawdowns.total_depth / run.drawdowns.episodes * 100.0),
        better=Better.LOWER,
    ),
    Metric(
        "Max. Drawdown Duration",
        MetricKind.DURATION,
        "the longest drawdown episode",
        _with_drawdowns(lambda run: run.drawdowns.longest_ms),
        better=Better.LOWER,
    ),
    Metric(
        "Avg. Drawdown Duration",
        MetricKind.DURATION,
        "mean length of the drawdown episodes",
        _with_drawdowns(lambda run: round(run.drawdowns.total_ms / run.drawdowns.episodes)),
        better=Better.LOWER,
    ),
    Metric(
        "Num. Trades",
        MetricKind.COUNT,
        "closed trades, the one closed on the last bar among them",
        lambda run: run.trades,
        is_headline=True,
    ),
    Metric(
        "Win Rate [%]",
        MetricKind.PERCENT,
        "share of trades whose net profit is above zero",
        _with_trades(lambda run: int((run.profits_quote.values > 0).sum()) / run.trades * 100.0),
        is_headline=True,
    ),
    Metric(
        "Best Trade [%]",
        MetricKind.PERCENT,
        "the highest of the trades' returns: net profit / entry notional",
        _with_trades(lambda run: float(run.returns_pct.values.max())),
    ),
    Metric(
        "Worst Trade [%]",
        MetricKind.PERCENT,
        "the lowest of the trades' returns",
        _with_trades(lambda run: float(run.returns_pct.values.min())),
    ),
    Metric(
        "Avg. Trade [%]",
        MetricKind.PERCENT,
        "mean of the trades' returns",
        _with_trades(lambda run: run.returns_pct.mean),
    ),
    Metric(
        "Max. Trade Duration",
        MetricKind.DURATION,
        "the longest trade, from the close of its entry bar to the close of its exit bar",
        _with_trades(lambda run: int(run.durations_ms.max())),
        better=Better.LOWER,
    ),
    Metric(
        "Avg. Trade Duration",
        MetricKind.DURATION,
        "mean length of the trades",
        _with_trades(lambda run: round(int(run.durations_ms.sum()) / run.trades)),
        better=Better.LOWER,
    ),
    Metric(
        "Expectancy",
        MetricKind.QUOTE,
        "mean net profit of a trade",
        _with_trades(lambda run: run.profits_quote.mean),
    ),
    Metric("SQN", MetricKind.RATIO, "√n · mean / standard deviation (ddof 1) of the trades' net profits", _sqn),
    Metric(
        "Gross Exposure",
        MetricKind.RATIO,
        "mean over all bars of position value / equity",
        lambda run: run.exposure,
        better=Better.LOWER,
    ),
    Metric(
        "Sharpe Ratio",
        MetricKind.RATIO,
        "mean / standard deviation (ddof 1) · √365 of the daily returns, risk-free 0",
        lambda run: _annual(run.daily_returns.mean, run.daily_returns.deviation),
        is_headline=True,
    ),
    Metric(
        "Sortino Ratio",
        MetricKind.RATIO,
        "mean / √mean(min(r, 0)²) · √365 of the daily returns",
        lambda run: _annual(run.daily_returns.mean, run.downside),
        is_headline=True,
    ),
    Metric(
        "Calmar Ratio",
        MetricKind.RATIO,
        "((1 + total return)^(365 / days) − 1) / max. drawdown",
        _calmar,
    ),
    Metric(
        "Profit Factor",
        MetricKind.RATIO,
        "sum of the net profits / sum of the net losses of the trades",
        _profit_factor,
        is_reported=False,
    ),
    Metric(
        "Return Over Drawdown",
        MetricKind.RATIO,
        "total return / max. drawdown",
        _with_drawdowns(lambda run: run.total_return_pct / run.max_drawdown_pct),
        is_reported=False,
    ),
)
"""The metrics in the order of the report."""

HEADLINE_METRICS = tuple(metric.name for metric in METRICS if metric.is_headline)

_KINDS = {metric.name: metric.kind for metric in METRICS}


def kind_of(name: str) -> MetricKind:
    """The kind of a metric; that of a name which only another version knows is a ratio."""
    return _KINDS.get(name, MetricKind.RATIO)


def report(run: Performance, ranked_by: Metric = TOTAL_RETURN) -> dict[str, MetricValue]:
    """Every metric of one simulation by its name, that which it is ranked by among them."""
    return {metric.name: metric.formula(run) for metric in METRICS if metric.is_reported or metric is ranked_by}
