"""The spec that is saved, made from a draft: defaults filled in, and a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from candleray.backtests.request import BacktestRequest
from candleray.backtests.signals.conditions import RuleCondition
from candleray.backtests.signals.cross_references import all_parts
from candleray.backtests.signals.operands import IndicatorOperand, PriceOperand, TimeOperand
from candleray.backtests.signals.signals import Signals
from candleray.errors import invalid
from candleray.search.indicator_grid import IndicatorGrid
from candleray.search.variants import VariantGrid, filled_in
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import SHORT_HASH, Strategy, StrategyDraft, StrategySpec
from kernels.indicators import INDICATORS

MOST_LABELS = 8
"""Things of its signals that a name says; of more it says how many more there are."""

_STOPS = {
    **{"sl": "sl_pct", "slatr": "sl_atr", "trail": "trail_pct", "bars": "max_bars"},
    **{"tp": "tp_pct", "tpatr": "tp_atr"},
}


def spec_of(draft: StrategyDraft, defaults: BacktestSettings) -> StrategySpec:
    """The draft with nothing left out.

    Raises:
        InvalidInput: parameters that do not go together, a budget over the cash.
    """
    whole = filled_in(draft, defaults)
    for indicator in whole.named_indicators:
        IndicatorGrid(indicator, with_signal=False)  # raises where its constraint forbids the parameters
    of_a_range = StrategyDraft.model_fields.keys() - StrategySpec.model_fields.keys()
    return StrategySpec.model_validate(whole.model_dump(exclude=of_a_range))


def name_of(spec: StrategySpec) -> str:
    """`BTCUSDT-1h-rsi14-sma50-3f2a9c1b`: readable, and one name for one content.

    Of signals it says timeframes, instruments, stops and sizes too: `BTCUSDT-1h-ema20-sma200_1d-sl2-3f2a9c1b`.
    """
    if spec.signals is None:
        labels = [_label(one.id, one.params) for one in spec.indicators]
    else:
        labels = [*_labels_of_signals(spec, spec.signals), *_labels_of_stops(spec)]
    return "-".join((spec.instrument.symbol, spec.timeframe, *labels, spec.hash[:SHORT_HASH]))


def _labels_of_signals(spec: StrategySpec, signals: Signals) -> list[str]:
    """Label each indicator once; where there is none, the prices and times."""
    parts = [part for _, part in all_parts(spec.let, signals)]
    for kinds in ((IndicatorOperand, RuleCondition), (PriceOperand, TimeOperand)):
        labels = list(dict.fromkeys(_label_of_part(part) for part in parts if isinstance(part, kinds)))
        if labels:
            more = len(labels) - MOST_LABELS
            return labels if more <= 0 else [*labels[:MOST_LABELS], f"{more}more"]
    return []


def _label_of_part(part: IndicatorOperand | RuleCondition | PriceOperand | TimeOperand) -> str:
    if isinstance(part, TimeOperand):
        return part.time
    if isinstance(part, PriceOperand):
        label: str = part.price
    else:
        label = _label(part.id if isinstance(part, IndicatorOperand) else part.rule, part.params)
    symbol = None if part.instrument is None else part.instrument.symbol
    return "_".join(filter(None, (label, part.timeframe, symbol)))


def _labels_of_stops(spec: StrategySpec) -> Iterator[str]:
    for label, field in _STOPS.items():
        if (level := getattr(spec.risk, field)) is not None:
            yield f"{label}{level:.12g}"
    if spec.sizing.parts_field:
        yield f"{spec.sizing.label}{getattr(spec.sizing, spec.sizing.parts_field):.12g}"


def _label(indicator_id: str, params: Mapping[str, Any]) -> str:
    first_param = next(iter(INDICATORS[indicator_id].params), None)
    return indicator_id if first_param is None else f"{indicator_id}{params[first_param]:.12g}"


def clone_of(parent: Strategy, draft: StrategyDraft, defaults: BacktestSettings) -> StrategySpec:
    """The draft of a clone with nothing left out.

    Raises:
        InvalidInput: as `spec_of`; or it has the parent's content.
    """
    spec = spec_of(draft, defaults)
    if spec.hash == parent.spec_hash:
        raise invalid("", "no_change", f"the clone is the same as {parent.name}: change at least one part")
    return spec


def variant_content(request: BacktestRequest, variant_index: int) -> dict[str, object]:
    """One variant of a resolved request, as the content of a draft.

    Raises:
        InvalidInput: the request has no variant of that number.
    """
    grid = VariantGrid(request)
    if variant_index >= grid.size:
        message = f"there is no variant {str(variant_index)[:40]}: the search has variants 0 to {grid.size - 1}"
        raise invalid("variant.variant_index", "out_of_bounds", message)
    return grid.strategy(variant_index)
