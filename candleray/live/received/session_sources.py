"""The candles that a session of a run reads: of which instruments, and from which minute on.

A runner and whoever holds a session against its backtest ask here, so both see the same first bars.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from candleray.backtests.request import BacktestRequest, StrategyAxes
from candleray.errors import CandlerayError, InvalidInput, in_words, invalid
from candleray.live.sessions import LiveRun
from candleray.markets import Instrument
from candleray.search.signals.expressions import SourceKey
from candleray.search.variants import VariantGrid
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, TimeRange, minutes_of, to_ms

WARMUP_BARS_OF_OTHERS = 200
"""Bars of other candles before the run's first bar, or as many more as a condition reads. A number of its own:
settings change, what a session has read does not."""


@contextmanager
def told_to_its_owner() -> Iterator[None]:
    """Raise what is wrong with a strategy as InvalidInput, in words for its owner."""
    try:
        yield
    except CandlerayError as error:
        raise InvalidInput(f"the strategy cannot run: {error.message}", error.problems) from error
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        # It was checked when it was saved, by the indicators and rules that there were then.
        message = f"the strategy cannot run with the engine of today: {in_words(error)}"
        raise invalid("strategy", "cannot_run", message) from error


def grid_of(live: LiveRun, spec: StrategySpec) -> VariantGrid:
    """The strategy as a grid of one variant, over a range that begins with the session.

    Raises:
        InvalidInput: the strategy cannot run; the message is for its owner.
    """
    # A saved strategy is whole and was checked when it was saved: to check it again takes 1 to 8 ms a run.
    parts = {name: getattr(spec, name) for name in StrategyAxes.model_fields}
    span = TimeRange.model_construct(start=live.last.live_from, end=live.last.live_from)
    with told_to_its_owner():
        return VariantGrid(BacktestRequest.model_construct(**parts, time_range=span))


def sources_of(live: LiveRun, spec: StrategySpec) -> dict[Instrument, int]:
    """The instruments whose minutes the session reads, each with the first one in ms; its own comes first.

    Raises:
        InvalidInput: the strategy cannot run; the message is for its owner.
    """
    first_ms = {spec.instrument: to_ms(live.run.metadata.warmup_from)}
    for source, bar_ms in first_other_bars(live, grid_of(live, spec)).items():
        instrument = instrument_of(source)
        first_ms[instrument] = min(bar_ms, first_ms.get(instrument, bar_ms))
    return first_ms


def first_other_bars(live: LiveRun, grid: VariantGrid) -> dict[SourceKey, int]:
    """The first bar of each of the other candles that the session reads: its time of opening in ms."""
    warmup_from_ms = to_ms(live.run.metadata.warmup_from)
    firsts = {}
    for need in grid.numbering.sources:
        assert need.source is not None
        bar_ms = minutes_of(need.source.timeframe) * MINUTE_MS
        # One more: the one that is open when the run's first bar opens.
        history = max(WARMUP_BARS_OF_OTHERS, need.own_bars) + 1
        firsts[need.source] = (warmup_from_ms // bar_ms - history) * bar_ms
    return firsts


def instrument_of(source: SourceKey) -> Instrument:
    return Instrument(market_id=source.market_id, symbol=source.symbol)
