"""The bars that a live run is warmed up with, and what else is fixed when it is created."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.live.run import RunMetadata
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, minutes_of, to_ms
from kernels.indicators import INDICATORS
from kernels.signals import lookback


def live_warmup_bars(spec: StrategySpec) -> int:
    """The largest parameter of any indicator that counts bars (`window`, `long_delta_periods`); at least 1.

    This is the rule `numeric_max_param` of a run's metadata.
    """
    return max((window for indicator in spec.named_indicators for window in _windows(indicator)), default=1)


def _windows(chosen: IndicatorAxes) -> Iterator[int]:
    indicator = INDICATORS[chosen.id]
    for declared, values in ((indicator.params, chosen.params), (indicator.rule.params, chosen.signal)):
        for name, param in declared.items():
            if param.is_window and name in values:  # an operand of signals has no rule
                value: Any = values[name]
                yield int(value)


def run_metadata(spec: StrategySpec, created_at: datetime) -> RunMetadata:
    """Metadata of a run created then: its warm-up ends with the last bar that was closed at that moment."""
    bar_ms = minutes_of(spec.timeframe) * MINUTE_MS
    bars = live_warmup_bars(spec)
    first_live_ms = to_ms(created_at) // bar_ms * bar_ms
    return RunMetadata(
        instrument_key=spec.instrument.key,
        timeframe=spec.timeframe,
        warmup_bars=bars,
        lookback_bars=max((_lookback(indicator) for indicator in spec.named_indicators), default=0),
        warmup_from=from_ms(first_live_ms - bars * bar_ms),
    )


def _lookback(chosen: IndicatorAxes) -> int:
    params: Any = chosen.params
    signal: Any = chosen.signal
    indicator = INDICATORS[chosen.id]
    if indicator.rule.params and not signal:  # an operand of signals has no rule
        return indicator.lookback(**params)
    return lookback(indicator, params, signal)
