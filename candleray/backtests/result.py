"""The answer to a backtest, with its views: Arrow, pandas, the short table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field

from candleray.backtests.chance.null_model import NullModel
from candleray.backtests.headlines import Headlines
from candleray.backtests.metrics import HEADLINE_METRICS, MetricKind, kind_of
from candleray.backtests.parameters import parameters, varied
from candleray.backtests.phase import SEARCH_PHASES, Phase
from candleray.backtests.pictures.drawing import drawn
from candleray.backtests.rank_by import order_text, ranking_metric
from candleray.backtests.report import shown, variant_text
from candleray.backtests.request import BacktestRequest
from candleray.backtests.rules.fill import Ties
from candleray.backtests.verdict import VariantTrust, Verdict
from candleray.errors import NotFound
from candleray.timeframes import TimeRange, iso
from candleray.validation import Model

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

HEADLINE_ROWS = 10


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
    """One row of the ranked table."""

    rank: int
    variant_index: int
    total_return_pct: float
    conflicting_signals: int
    """Bars on which every indicator said both LONG and SHORT: no trade there."""
    closed_before_gaps: Annotated[int, Field(exclude_if=lambda count: not count)] = 0
    """Positions that were closed because the candles have a long hole; left out where there are none."""
    ties: Annotated[Ties | None, Field(exclude_if=lambda ties: ties is None)] = None
    """Exits that nobody can order; left out where levels are looked at on closes."""
    metrics: dict[str, float | int | None]
    """Name to number; times in ms since the epoch, durations in ms, `null` where undefined."""
    table_md: str
    trust: Annotated[VariantTrust | None, Field(exclude_if=lambda trust: trust is None)] = None
    """Its part of the verdict; left out where there is none."""
    trades: tuple[Trade, ...] | None = None
    strategy: dict[str, object]
    """This variant alone, as a request that gives the same result."""

    def __repr__(self) -> str:
        return variant_text(self.rank, self.variant_index, self.total_return_pct, self.strategy)

    __str__ = __repr__


class Elapsed(Model):
    """Seconds by phase; the only part of an answer that differs between two runs."""

    model_config = ConfigDict(serialize_by_alias=True)

    candles: float
    compile: float = Field(0.0, exclude_if=lambda seconds: not seconds)
    """Compiling the kernels of indicators that were used for the first time; absent where nothing was."""
    planes: float
    # Answers that were kept under the former names of the two stages are still read.
    stage_a: float = Field(
        0.0, validation_alias=AliasChoices("stage-a", "variants"), serialization_alias=Phase.STAGE_A
    )
    """Every base variant without stops."""
    tables: float = 0.0
    """First passages of the stop levels."""
    stage_b: float = Field(
        0.0, validation_alias=AliasChoices("stage-b", "combinations"), serialization_alias=Phase.STAGE_B
    )
    """The shortlist under every combination of stop levels."""
    reports: float
    luck: float = Field(0.0, exclude_if=lambda seconds: not seconds)
    """Histories of chance; absent where none were asked for."""
    total: float

    @classmethod
    def of(cls, by_phase: Mapping[Phase, float]) -> Elapsed:
        """Return the seconds of the phases of a search, and their sum."""
        spent = {phase: by_phase[phase] for phase in SEARCH_PHASES if phase in by_phase}
        return cls.model_validate({**spent, "total": round(sum(spent.values()), 4)})


class Shortlist(Model):
    """The base variants that were tried under the stop levels, and whether a better one may have been cut.

    Stops change a variant. So only variants that were tried under their stops are pruned, and a shortlist may be
    full of variants that pruning then removes.
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

    @property
    def note(self) -> str:
        """The share that was cut, in words; empty where the answer is exact."""
        if self.exact:
            return ""
        best = shown("Total Return [%]", self.best_cut_return_pct)
        return (
            f"; not exact: of {self.base_variants:,} base variants {self.cut:,} were cut, "
            f"{best} % or less without stops"
        )


class SealedHoldout(Model):
    """Candles that a request reserved: not searched, and sealed until they are opened once."""

    holdout_id: UUID
    time_range: TimeRange
    searched_before: int
    """Earlier searches of the same user over these candles: of more than 0, they have been seen."""

    @property
    def line(self) -> str:
        """The holdout on one line, for the foot of a table."""
        span, seen = self.time_range, self.searched_before
        searches = "1 search of yours has" if seen == 1 else f"{seen:,} searches of yours have"
        before = f"; {searches} seen them before" if seen else ""
        return f"sealed: {iso(span.start_ms)} to {iso(span.end_ms)}, holdout {self.holdout_id}{before}"


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
    """Variants evaluated exactly, with their stops; a pruned one up to the bar at which it was pruned."""
    pruned: dict[str, int] = {}
    """Numbers of variants that were pruned, by each limit that the request sets."""
    shortlist: Shortlist | None = None
    """Null where there are no stop levels."""
    notes: tuple[str, ...] = ()
    """Remarks for the reader, such as indicators that need more bars than there are."""
    elapsed_s: Elapsed
    verdict: Annotated[Verdict | None, Field(exclude_if=lambda verdict: verdict is None)] = None
    """Is the best more than luck? Left out where the request says `"verdict": false`."""
    holdout: Annotated[SealedHoldout | None, Field(exclude_if=lambda holdout: holdout is None)] = None
    """The candles that the request reserved; left out where it reserved none."""
    luck: Annotated[NullModel | None, Field(exclude_if=lambda luck: luck is None)] = None
    """The best beside that of histories of chance; left out where the request asks for none."""
    top: tuple[RankedVariant, ...]

    def to_arrow(self) -> pa.Table:
        """The ranked table, one row a variant: `rank`, `variant_index`, `total_return_pct`,
        `conflicting_signals`, each parameter (`sma.window`, `rsi.long_threshold`), each metric."""
        return table_of(self.request, self.top)

    def to_pandas(self) -> pd.DataFrame:
        """`to_arrow` as a DataFrame; times are timestamps in UTC, durations are timedeltas."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def trades(self, rank: int = 1) -> pd.DataFrame:
        """The trades of the variant of that rank, one a row, with times as timestamps.

        Raises:
            NotFound: there is no such rank, or `trades_for` did not ask for its trades.
        """
        import pandas as pd

        trades = self._of_rank(rank).trades
        if trades is None:
            raise NotFound(
                f"the answer lists no trades of rank {rank}: ask for them with trades_for of {rank} or more"
            )
        frame = pd.DataFrame([trade.model_dump() for trade in trades], columns=list(Trade.model_fields))
        for column in ("entry_time", "exit_time"):
            frame[column] = pd.to_datetime(frame[column], utc=True)
        return frame

    def _of_rank(self, rank: int) -> RankedVariant:
        for variant in self.top:
            if variant.rank == rank:
                return variant
        raise NotFound(f"there is no rank {rank}; the answer has ranks 1 to {len(self.top)}")

    def headlines(self, rows: int = HEADLINE_ROWS) -> Headlines:
        """The short table: rank, the parameters that vary, the first metrics of the best variants."""
        names = varied(self.request)
        wanted = dict.fromkeys((*self._leading, *HEADLINE_METRICS))
        metrics = [name for name in wanted if self.top and name in self.top[0].metrics]
        instrument, times = self.request.instrument, self.request.time_range
        period = f"{iso(times.start_ms)} to {iso(times.end_ms)}"
        return Headlines(
            title=f"{instrument.market.name} {instrument.symbol} {self.request.timeframe}, "
            f"{period}, {self.request.traded_direction}",
            columns=("rank", *names, *metrics),
            rows=tuple(_headline(variant, names, metrics) for variant in self.top[:rows]),
            note=self._note(rows),
        )

    @property
    def _leading(self) -> tuple[str, ...]:
        """The metric that the request ranks by, where it names one."""
        return () if self.request.rank_by is None else (ranking_metric(self.request.rank_by).name,)

    def _ranked_by(self) -> str:
        """The order in words where it is not that of the total return."""
        if self.request.rank_by is None:
            return ""
        metric = ranking_metric(self.request.rank_by)
        undefined = sum(variant.metrics.get(metric.name) is None for variant in self.top)
        last = f", {undefined:,} of {len(self.top):,} without one last" if undefined else ""
        return f"; {order_text(metric)}{last}"

    def _note(self, rows: int) -> str:
        pruned = [f"{count:,} by {limit}" for limit, count in self.pruned.items() if count]
        return (
            f"{self.variants_evaluated:,} of {self.variants_total:,} variants over {self.bars:,} bars "
            f"in {self.elapsed_s.total:.2f} s; {min(rows, len(self.top)):,} of {len(self.top):,} shown"
            + self._ranked_by()
            + (f"; pruned {sum(self.pruned.values()):,}: {', '.join(pruned)}" if pruned else "")
            + (self.shortlist.note if self.shortlist else "")
            + (f"\n{self.verdict.line}" if self.verdict else "")
            + (f"\n{self.holdout.line}" if self.holdout else "")
            + "".join(f"\n{line}" for line in (self.luck.summary if self.luck else ()))
            + "".join(f"\n{note}" for note in self.notes)
        )

    def __str__(self) -> str:
        return self.headlines().as_text()

    __repr__ = __str__

    def verdict_svg(self) -> str | None:
        """The pictures of the verdict as SVG; None where it has none."""
        return None if self.verdict is None else drawn(self.verdict)

    def _repr_html_(self) -> str:
        return self.headlines().as_html() + (self.verdict_svg() or "")


class Ranked(Protocol):
    """A row of a ranked table, with its report or without."""

    @property
    def rank(self) -> int: ...
    @property
    def variant_index(self) -> int: ...
    @property
    def total_return_pct(self) -> float: ...
    @property
    def conflicting_signals(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, float | int | None]: ...
    @property
    def strategy(self) -> Mapping[str, object]: ...


def table_of(request: BacktestRequest, top: Sequence[Ranked]) -> pa.Table:
    """The variants of a request, one row each, with their parameters and metrics as columns."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        "rank": pa.array([variant.rank for variant in top], pa.int64()),
        "variant_index": pa.array([variant.variant_index for variant in top], pa.int64()),
        "total_return_pct": pa.array([variant.total_return_pct for variant in top], pa.float64()),
        "conflicting_signals": pa.array([variant.conflicting_signals for variant in top], pa.int64()),
    }
    strategies = [parameters(variant.strategy) for variant in top]
    for name in parameters(request.model_dump(mode="json")):
        columns[name] = pa.array([strategy.get(name) for strategy in strategies])
    for name in top[0].metrics if top else ():
        columns[name] = pa.array([variant.metrics.get(name) for variant in top], _arrow_type(name))
    return pa.table(columns)


def _headline(variant: RankedVariant, names: list[str], metrics: list[str]) -> tuple[str, ...]:
    strategy = parameters(variant.strategy)
    numbers = (shown(name, variant.metrics.get(name)) for name in metrics)
    return (str(variant.rank), *(str(strategy.get(name, "–")) for name in names), *numbers)


def _arrow_type(metric: str) -> Any:
    """A metric's declared type, so that it does not depend on the numbers of one answer."""
    import pyarrow as pa

    types = {
        MetricKind.TIME: pa.timestamp("ms", tz="UTC"),
        MetricKind.DURATION: pa.duration("ms"),
        MetricKind.COUNT: pa.int64(),
    }
    return types.get(kind_of(metric), pa.float64())
