"""An indicator computed over the bars of a store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from candleray.candles import FloatArray, IntArray
from candleray.errors import GuardExceeded, Problem, invalid
from candleray.indicators.series import LAST_BARS, IndicatorChoice, SeriesRequest
from candleray.market_data.bar_reader import BarReader, CandleReader, Window
from candleray.settings import Settings
from kernels.declare import Indicator
from kernels.indicators import INDICATORS
from kernels.signals import compute


@dataclass(frozen=True)
class Outputs:
    """The answer to a `SeriesRequest`: stamps `(n,)`, and every output `(n,)`, NaN where there is no value."""

    indicator: IndicatorChoice
    ts_open_ms: IntArray
    outputs: dict[str, FloatArray]
    notes: tuple[str, ...]


async def compute_outputs(request: SeriesRequest, store: CandleReader, settings: Settings) -> Outputs:
    """The indicator over the window, warmed up by the bars before it as a backtest of that window would.

    Raises:
        NotFound: unknown symbol, or no bars there.
        GapsInRange: a long hole that the request does not allow.
        GuardExceeded: more bars than one answer may have.
        InvalidInput: parameters that do not go together.
    """
    indicator = INDICATORS[request.indicator.id]
    choice = _resolved(request.indicator, indicator)
    warmup = max(settings.backtests.warmup_bars, indicator.lookback(**choice.params))
    reader = BarReader(store, request.instrument, request.timeframe)
    window = await _window(reader, request, warmup, settings.guards.max_candles_per_answer)
    if not request.allow_gaps:
        window.coverage.require_no_gap(request.instrument, settings.backtests.max_gap_hours)
    values = await asyncio.to_thread(compute, indicator, window.bars.values, choice.inputs, choice.params)
    return Outputs(
        choice,
        window.bars.ts_open_ms[window.start :],
        {name: values[name][window.start :] for name in indicator.outputs},
        window.coverage.notes,
    )


async def _window(reader: BarReader, request: SeriesRequest, warmup: int, most: int) -> Window:
    if request.time_range is None:
        count = request.last or LAST_BARS
        _guard(count, most)
        return await reader.last(count, warmup)
    first_ms, end_ms = await reader.span()
    asked = request.time_range
    if (min(asked.end_ms, end_ms) - max(asked.start_ms, first_ms)) // reader.bar_ms > most:
        _guard((await reader.coverage(asked.start_ms, asked.end_ms)).bars, most)
    return await reader.within(asked.start_ms, asked.end_ms, warmup)


def _guard(bars: int, most: int) -> None:
    if bars > most:
        message = f"{bars} bars are over the limit of {most} for one answer; ask for fewer, or a longer timeframe"
        raise GuardExceeded(message, [Problem("bars", "over_the_limit", message)])


def _resolved(choice: IndicatorChoice, indicator: Indicator) -> IndicatorChoice:
    inputs = {name: columns[0] for name, columns in indicator.selectable_inputs.items()}
    params = {name: param.default for name, param in indicator.params.items()}
    full = IndicatorChoice(id=choice.id, inputs=inputs | choice.inputs, params=params | choice.params)
    if indicator.constraint and (wrong := indicator.constraint(**full.params)):
        raise invalid("indicator.params", "constraint", wrong)
    return full
