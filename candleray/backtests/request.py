"""A backtest: the request, fixed for good, and its answer.

One model serves the grid, one variant of it, and the strategy that is saved from it: a request whose axes are
all scalars *is* a strategy over a time range. `StrategyAxes` is the part that a saved strategy has too, and
`catalogue` narrows the models to the indicators that exist.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Axis, Number, Steps, Values, levels
from candleray.backtests.pruning import Pruning
from candleray.backtests.sizing import AllIn, Sizing
from candleray.markets import Instrument
from candleray.timeframes import Timeframe, TimeRange
from candleray.validation import Model

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Direction(StrEnum):
    LONG_ONLY = "long-only"
    SHORT_ONLY = "short-only"
    LONG_SHORT = "long-short"


class ExitOn(StrEnum):
    OPPOSITE = "opposite"
    NEUTRAL = "neutral"


MAX_INDICATORS = 8

Percent: TypeAlias = Annotated[Number, Field(ge=0, le=50)]
Columns: TypeAlias = Annotated[tuple[str, ...], Field(min_length=1)]


class IndicatorAxes(Model):
    """One indicator of a request; what is left out takes the indicator's default."""

    id: str = Field(examples=["rsi"])
    inputs: dict[str, str | Columns] = {}
    params: dict[str, Axis] = {}
    signal: dict[str, Axis] = {}


MAX_LEVEL_PCT = 1000.0


def _level_axis(axis: float | Values | Steps) -> float | Values | Steps:
    sequence = levels(axis)
    for value in (sequence.at(0), sequence.at(sequence.count - 1)):
        if not 0 < value <= MAX_LEVEL_PCT:
            raise PydanticCustomError(
                "out_of_bounds",
                "a level is above 0 and at most {max} percent, got {value}",
                {"value": f"{value:g}", "max": f"{MAX_LEVEL_PCT:g}"},
            )
    return axis


LevelAxis: TypeAlias = Annotated[Axis, AfterValidator(_level_axis)]


class Risk(Model):
    """Stop-loss and take-profit levels in percent of the entry fill (R4.6).

    A level of 100 % or more below the fill, of a long's stop-loss or a short's take-profit, is never reached.
    """

    sl_pct: LevelAxis | None = None
    """Loss at which a close ends the position; none where left out."""
    tp_pct: LevelAxis | None = None
    """Gain at which a close ends the position; none where left out."""


class StrategyAxes(Model):
    """Strategies, many or one: an instrument, indicators with their axes, and the rules of trading."""

    instrument: Instrument
    timeframe: Timeframe
    indicators: tuple[IndicatorAxes, ...] = Field(min_length=1, max_length=MAX_INDICATORS)
    direction: Direction = Direction.LONG_SHORT
    exit_on: ExitOn = ExitOn.OPPOSITE
    sizing: Sizing = AllIn()
    init_cash_quote: Annotated[Number, Field(gt=0)] | None = None
    """Initial cash in quote currency; the configuration's default where left out."""
    fee_pct: Percent | None = None
    """Fee of each fill in percent of its notional; the market's default where left out."""
    slippage_pct: Percent | None = None
    """Percent by which each fill is worse than the close; the configuration's default where left out."""
    risk: Risk = Risk()


class BacktestRequest(StrategyAxes):
    """What to search over: strategies and a time range; and what of the search to answer with."""

    time_range: TimeRange
    pruning: Pruning = Pruning()
    top_k: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Variants returned; the configuration's default where left out."""
    preselect: Annotated[int, Field(ge=1, strict=True)] | Literal["all"] | None = None
    """With stop levels: how many base variants, the best without stops, are tried under all of them; or `all`."""
    trades_for: Annotated[int, Field(ge=0, strict=True)] = 0
    """For how many of the best variants the trades are listed."""


class Trade(Model):
    """One closed trade; fills include slippage, the profit is after both fees."""

    side: Literal["long", "short"]
    entry_time: str
    exit_time: str
    entry_fill: float
    exit_fill: float
    quantity: float
    entry_notional_quote: float
    fees_quote: float
    pnl_quote: float
    return_pct: float
    exit_reason: str
    equity_quote: float


class RankedVariant(Model):
    """One row of the table."""

    rank: int
    variant_index: int
    total_return_pct: float
    conflicting_signals: int
    """Bars on which every indicator said both LONG and SHORT: no trade there (R4.3)."""
    metrics: dict[str, float | int | None]
    """Name to number; times in ms since the epoch, durations in ms, `null` where undefined."""
    table_md: str
    trades: tuple[Trade, ...] | None = None
    strategy: dict[str, object]
    """This variant alone, as a request that gives the same result."""


class Elapsed(Model):
    """Seconds by phase; the only part of an answer that differs between two runs."""

    candles: float
    planes: float
    variants: float = 0.0
    """Stage A: every base variant without stops."""
    tables: float = 0.0
    """First passages of the stop levels."""
    combinations: float = 0.0
    """Stage B: the shortlist under every combination of stop levels."""
    reports: float
    total: float


class Shortlist(Model):
    """Which base variants were tried under the stop levels, and whether a better one may have been cut.

    Pruning has no part in it: without its stops a variant is another one, so only those that were tried under them
    are pruned, and a shortlist may be full of variants that then are.
    """

    base_variants: int
    kept: int
    cut: int
    best_cut_return_pct: float | None
    """Total return without stops of the best that was cut; everything at or below it was cut as well."""
    worst_kept_return_pct: float | None
    """Total return without stops of the worst that was kept; null where nothing was cut."""
    exact: bool
    """Nothing was cut. Otherwise stops could have made a cut variant better than those of the answer, or have kept
    it from being pruned."""


class BacktestResult(Model):
    """The answer: the resolved request, the names of everything that made the numbers, and the best variants."""

    request: BacktestRequest
    request_hash: str
    engine_params_hash: str
    candles_hash: str
    bars: int
    variants_total: int
    """Base variants times combinations of stop levels."""
    variants_evaluated: int
    """Those evaluated exactly, with their stops; the pruned among them up to where they were pruned."""
    pruned: dict[str, int] = {}
    """How many of them were pruned, by each limit that the request sets."""
    shortlist: Shortlist | None = None
    """Null where there are no stop levels."""
    notes: tuple[str, ...] = ()
    """What a reader should know, such as indicators that need more bars than there are."""
    elapsed_s: Elapsed
    top: tuple[RankedVariant, ...]

    def to_arrow(self) -> pa.Table:
        """The ranked table, one row a variant: `rank`, `variant_index`, `total_return_pct`,
        `conflicting_signals`, each parameter (`sma.window`, `rsi.long_threshold`), each metric."""
        from candleray import results

        return results.to_arrow(self)

    def to_pandas(self) -> pd.DataFrame:
        """`to_arrow` as a DataFrame; times are timestamps in UTC, durations are timedeltas."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def trades(self, rank: int = 1) -> pd.DataFrame:
        """The trades of the variant of that rank; NotFound where they were not asked for by `trades_for`."""
        from candleray import results

        return results.trades(self, rank)

    def __str__(self) -> str:
        from candleray import results

        return results.as_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from candleray import results

        return results.as_html(self)
