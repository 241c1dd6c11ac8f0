"""The metrics of the report, each declared once: its name, the kind of its number, its meaning and its formula.

A metric that follows from a `Performance` is one entry of `METRICS`: the search computes it, and every rendering
knows its kind. The equity curve is the initial cash at the opening of the first bar, then one point at the close
of each bar, with an open position at the raw close. What is undefined (no trade, no deviation, no drawdown to
divide by) is None, never NaN, infinity or zero.

A drawdown episode runs from its peak, the last point at the peak's height, to its recovery, or to the end. A
shortfall or a deviation below 1e-12 of its scale is rounding and counts as none. A day is a UTC day of the bars'
openings; its return is its last equity against that of the day before, the first day against the initial cash.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from candleray.candles import FloatArray, IntArray

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


class Sample(NamedTuple):
    """Numbers `(n,)` with their mean and standard deviation (ddof 1); 0 where there are too few for one."""

    values: FloatArray
    mean: float
    deviation: float

    @property
    def size(self) -> int:
        return int(self.values.size)


class Drawdowns(NamedTuple):
    """The drawdown episodes of an equity curve; depths are shares of the peak."""

    episodes: int
    deepest: float
    total_depth: float
    longest_ms: int
    total_ms: int


class Performance(NamedTuple):
    """Facts of one simulation that a report is made of."""

    start_ms: int
    """Opening of the first bar."""
    end_ms: int
    """Close of the last bar."""
    bars: int
    first_close: float
    last_close: float
    init_cash_quote: float
    last_equity_quote: float
    total_return_pct: float
    bars_in_position: int
    """Bars that end in a position."""
    exposure: float
    """Mean over all bars of position value / equity."""
    drawdowns: Drawdowns
    profits_quote: Sample
    """Net profits of the trades, one that closed on the last bar among them."""
    returns_pct: Sample
    """The trades' net profits / entry notionals."""
    durations_ms: IntArray
    """Times from the close of a trade's entry bar to the close of its exit bar."""
    daily_returns: Sample
    downside: float
    """√mean(min(r, 0)²) of the daily returns."""

    @property
    def trades(self) -> int:
        return self.profits_quote.size

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms

    @property
    def max_drawdown_pct(self) -> float:
        return self.drawdowns.deepest * 100.0


Formula: TypeAlias = Callable[[Performance], MetricValue]


class Metric(NamedTuple):
    name: str
    kind: MetricKind
    meaning: str
    formula: Formula
    is_headline: bool = False
    """Shown in the short table."""


def _with_trades(formula: Formula) -> Formula:
    """Return None where there is no trade."""
    return lambda run: formula(run) if run.trades else None


def _with_drawdowns(formula: Formula) -> Formula:
    """Return None where the equity never fell."""
    return lambda run: formula(run) if run.drawdowns.episodes else None


def _sqn(run: Performance) -> MetricValue:
    profits = run.profits_quote
    if profits.deviation <= _ROUNDING * run.init_cash_quote:
        return None
    return math.sqrt(profits.size) * profits.mean / profits.deviation


def _annual(mean: float, deviation: float) -> MetricValue:
    return mean / deviation * math.sqrt(_DAYS_A_YEAR) if deviation > _ROUNDING else None


def _calmar(run: Performance) -> MetricValue:
    if not run.max_drawdown_pct:
        return None
    growth, days = run.last_equity_quote / run.init_cash_quote, run.duration_ms / _DAY_MS
    try:
        calmar = (growth ** (_DAYS_A_YEAR / days) - 1.0) / (run.max_drawdown_pct / 100.0)
    except OverflowError:
        return None
    return calmar if math.isfinite(calmar) else None


METRICS = (
    Metric("Start", MetricKind.TIME, "opening of the first bar", lambda run: run.start_ms),
    Metric("End", MetricKind.TIME, "close of the last bar", lambda run: run.end_ms),
    Metric("Duration", MetricKind.DURATION, "the time between the two", lambda run: run.duration_ms),
    Metric("Init. Cash", MetricKind.QUOTE, "cash before the first bar", lambda run: run.init_cash_quote),
    Metric(
        "Total Profit",
        MetricKind.QUOTE,
        "last equity − initial cash",
        lambda run: run.last_equity_quote - run.init_cash_quote,
    ),
    Metric(
        "Total Return [%]",
        MetricKind.PERCENT,
        "last equity / initial cash − 1",
        lambda run: run.total_return_pct,
        is_headline=True,
    ),
    Metric(
        "Benchmark Return [%]",
        MetricKind.PERCENT,
        "last close / first close − 1: buy and hold without costs",
        lambda run: (run.last_close / run.first_close - 1.0) * 100.0,
    ),
    Metric(
        "Position Coverage [%]",
        MetricKind.PERCENT,
        "share of bars that end in a position",
        lambda run: run.bars_in_position / run.bars * 100.0,
    ),
    Metric(
        "Max. Drawdown [%]",
        MetricKind.PERCENT,
        "largest fall of the equity from its peak so far; 0 where it never fell",
        lambda run: run.max_drawdown_pct,
        is_headline=True,
    ),
    Metric(
        "Avg. Drawdown [%]",
        MetricKind.PERCENT,
        "mean depth of the drawdown episodes",
        _with_drawdowns(lambda run: run.drawdowns.total_depth / run.drawdowns.episodes * 100.0),
    ),
    Metric(
        "Max. Drawdown Duration",
        MetricKind.DURATION,
        "the longest drawdown episode",
        _with_drawdowns(lambda run: run.drawdowns.longest_ms),
    ),
    Metric(
        "Avg. Drawdown Duration",
        MetricKind.DURATION,
        "mean length of the drawdown episodes",
        _with_drawdowns(lambda run: round(run.drawdowns.total_ms / run.drawdowns.episodes)),
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
    ),
    Metric(
        "Avg. Trade Duration",
        MetricKind.DURATION,
        "mean length of the trades",
        _with_trades(lambda run: round(int(run.durations_ms.sum()) / run.trades)),
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
)
"""The metrics in the order of the report."""

HEADLINE_METRICS = tuple(metric.name for metric in METRICS if metric.is_headline)

_KINDS = {metric.name: metric.kind for metric in METRICS}


def kind_of(name: str) -> MetricKind:
    """The kind of a metric; that of a name which only another version knows is a ratio."""
    return _KINDS.get(name, MetricKind.RATIO)


def report(run: Performance) -> dict[str, MetricValue]:
    """Every metric of one simulation by its name."""
    return {metric.name: metric.formula(run) for metric in METRICS}
