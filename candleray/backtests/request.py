"""The request of a backtest, fixed for good.

One model serves the grid, one variant of it, and the strategy that is saved from it: a request whose axes are
all scalars *is* a strategy over a time range. `StrategyAxes` is the part that a saved strategy has too, and
`catalogue` narrows the models to the indicators that exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from candleray.backtests.axes import Number
from candleray.backtests.chance.luck import Luck
from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.backtests.pruning import Count, Pruning
from candleray.backtests.rank_by import RankBy
from candleray.backtests.rules.fill import AnyFill, Fill
from candleray.backtests.rules.risk import Risk
from candleray.backtests.rules.sizing import AllIn, AnySizing
from candleray.backtests.signals import cross_references
from candleray.backtests.signals.conditions import RuleCondition
from candleray.backtests.signals.operands import IndicatorOperand
from candleray.backtests.signals.signals import SIDES, Let, LimitedSignals, Where
from candleray.markets import Instrument
from candleray.timeframes import Timeframe, TimeRange
from candleray.validation import Model


class Direction(StrEnum):
    LONG_ONLY = "long-only"
    SHORT_ONLY = "short-only"
    LONG_SHORT = "long-short"


class ExitOn(StrEnum):
    OPPOSITE = "opposite"
    NEUTRAL = "neutral"


MAX_INDICATORS = 8

Percent: TypeAlias = Annotated[Number, Field(ge=0, le=50)]


class OverGaps(StrEnum):
    """The fate of a position before a long hole in the candles."""

    CLOSE = "close"
    HOLD = "hold"


HeldOverGaps: TypeAlias = Annotated[OverGaps, Field(exclude_if=lambda fate: fate is OverGaps.CLOSE)]
"""`close`: it is closed on the last bar before the hole; left out where it is that, so that hashes stay."""

AllowGaps: TypeAlias = Annotated[bool, Field(strict=True, exclude_if=lambda allowed: not allowed)]
"""True for an answer although the range has long holes; left out where it is false, so that hashes stay."""


WantsVerdict: TypeAlias = Annotated[bool, Field(strict=True, exclude_if=lambda wanted: wanted)]
"""True for a verdict over all variants with the answer; left out where it is true, so that hashes stay."""


class Reserve(Model):
    """The part of a range that is left out and sealed."""

    months: Annotated[int, Field(ge=1, le=120, strict=True)]
    """Calendar months at the end of the range."""


def _is_empty(value: Any) -> bool:
    return not value


def _is_none(value: Any) -> bool:
    return value is None


class StrategyAxes(Model):
    """Strategies, many or one: an instrument, indicators with their axes, and the rules of trading."""

    other_words: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("cash", "capital", "initial_capital", "balance"), "init_cash_quote"),
        **dict.fromkeys(("commission", "commission_pct"), "fee_pct"),
        **dict.fromkeys(("interval", "tf"), "timeframe"),
        **dict.fromkeys(("pair", "ticker"), "symbol"),
    }

    instrument: Instrument
    timeframe: Timeframe
    indicators: tuple[IndicatorAxes, ...] = Field(
        (), min_length=1, max_length=MAX_INDICATORS, exclude_if=_is_empty
    )
    """Indicators that must all say long, or all short; or else `signals`."""
    let: Let = Field({}, exclude_if=_is_empty)
    """Operands of `signals` by name: `{"fast": {"id": "ema", "params": {"window": 12}}}`."""
    signals: Annotated[LimitedSignals | None, Field(exclude_if=_is_none)] = None
    """The conditions that open and close positions, in place of `indicators`."""
    where: Where = Field((), exclude_if=_is_empty)
    """Constraints of `let`: combinations that break one do not exist."""
    direction: Direction = Direction.LONG_SHORT
    exit_on: ExitOn = ExitOn.OPPOSITE
    sizing: AnySizing = AllIn.model_construct()  # which builds no model, as AllIn() would
    init_cash_quote: Annotated[Number, Field(gt=0)] | None = None
    """Initial cash in quote currency; the configuration's default where left out."""
    fee_pct: Percent | None = None
    """Fee of each fill in percent of its notional; the market's default where left out."""
    slippage_pct: Percent | None = None
    """Percent by which each fill is worse than its price; the configuration's default where left out."""
    fill: AnyFill = Fill.model_construct()
    """The places where signals and levels fill; at closes where left out."""
    risk: Risk = Risk.model_construct()

    @model_validator(mode="after")
    def _indicators_or_signals(self) -> Self:
        found = [*self._faults(), *self._faults_of_sizing()]
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, found)
        return self

    def _faults_of_sizing(self) -> Iterator[InitErrorDetails]:
        if self.sizing.needs_stop_loss and self.risk.sl_pct is None and self.risk.sl_atr is None:
            mode = getattr(self.sizing, "mode", "")
            message = f"{mode} sizes by what a stop-loss loses, and risk has none: give risk.sl_pct or risk.sl_atr"
            yield from cross_references.line_errors([(("sizing",), "no_stop_loss", message)], mode)

    def _faults(self) -> Iterator[InitErrorDetails]:
        if self.signals is None:
            if not self.indicators:
                yield InitErrorDetails(type="missing", loc=("indicators",), input=None)
            if self.let or self.where:
                name = "let" if self.let else "where"
                alone = ((name,), "no_signals", f"{name} belongs to signals")
                yield from cross_references.line_errors([alone], None)
            return
        found: list[cross_references.Fault] = []
        if self.indicators:
            found.append((("indicators",), "two_sources", "a strategy has either indicators or signals"))
        allowed = [side for side in SIDES if self.direction.value in (f"{side}-only", "long-short")]
        if not any(getattr(self.signals, f"{side}_entry") for side in allowed):
            message = f"{self.direction.value} and no {allowed[0]}_entry: nothing opens a position"
            found.append((("signals",), "no_entry", message))
        found += cross_references.faults(self.let, self.signals, self.where, self.timeframe)
        yield from cross_references.line_errors(found, None)

    @property
    def history_bars(self) -> int:
        """Bars before a range that its levels and sizes are computed over."""
        return max(self.risk.history_bars, self.sizing.history_bars)

    @property
    def traded_direction(self) -> Direction:
        """The direction of the positions that can open: long alone where no signal opens short."""
        entries = None if self.signals is None else (self.signals.long_entry, self.signals.short_entry)
        if self.direction is not Direction.LONG_SHORT or entries is None or None not in entries:
            return self.direction
        return Direction.SHORT_ONLY if entries[0] is None else Direction.LONG_ONLY

    @property
    def named_indicators(self) -> tuple[IndicatorAxes, ...]:
        """Every indicator that the strategy reads, wherever it stands."""
        if self.signals is None:
            return self.indicators
        return tuple(
            IndicatorAxes(id=part.id, inputs=part.inputs, params=part.params)
            if isinstance(part, IndicatorOperand)
            else IndicatorAxes(id=part.rule, inputs=part.inputs, params=part.params, signal=part.signal)
            for _, part in cross_references.all_parts(self.let, self.signals)
            if isinstance(part, IndicatorOperand | RuleCondition)
        )


class BacktestRequest(StrategyAxes):
    """A search: the strategies and the time range it goes over, and how much of it the answer holds."""

    time_range: TimeRange
    allow_gaps: AllowGaps = False
    over_gaps: HeldOverGaps = OverGaps.CLOSE
    pruning: Pruning = Pruning.model_construct()
    rank_by: RankBy = Field(None, exclude_if=_is_none)
    """Metric of the report by which all variants are ranked, exactly; the total return where left out."""
    min_trades: Annotated[Count | None, Field(exclude_if=_is_none)] = None
    """Variants with fewer closed trades do not rank, and are counted: the same as `pruning.min_trades`."""
    top_k: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Variants returned; the configuration's default where left out."""
    preselect: Annotated[int, Field(ge=1, strict=True)] | Literal["all"] | None = None
    """Base variants, the best without stops, that are tried under all stop levels; or `all`."""
    verdict: WantsVerdict = True
    holdout: Annotated[Reserve | None, Field(exclude_if=_is_none)] = None
    """The last part of the range is not searched but sealed: nothing of yours reads it until you open it, once."""
    luck: Annotated[Luck | None, Field(exclude_if=_is_none)] = None
    """Searches the same over histories of chance as well, and says how often luck alone reaches the best."""
    trades_for: Annotated[int, Field(ge=0, strict=True)] = 0
    """Number of the best variants whose trades are listed."""

    def _faults(self) -> Iterator[InitErrorDetails]:
        yield from super()._faults()
        limits, least = self.pruning.values, self.min_trades
        if least is None:
            return
        said, most = limits.get("min_trades", least), limits.get("max_trades", least)
        assert isinstance(most, int)
        fault = (
            f"min_trades {least} and pruning.min_trades {said} are the same limit: give one of them"
            if said != least
            else f"min_trades {least} is above pruning.max_trades {most}"
            if least > most
            else None
        )
        if fault:
            yield from cross_references.line_errors([(("min_trades",), "no_number_of_trades", fault)], least)
