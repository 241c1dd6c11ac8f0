"""From a draft to the spec that is saved: defaults filled in, and a name."""

from __future__ import annotations

from candleray.backtests.request import BacktestRequest, IndicatorAxes
from candleray.errors import invalid
from candleray.search.variants import IndicatorGrid, VariantGrid, filled_in
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import SHORT_HASH, Strategy, StrategyDraft, StrategySpec
from kernels.indicators import INDICATORS


def spec_of(draft: StrategyDraft, defaults: BacktestSettings) -> StrategySpec:
    """The draft with nothing left out.

    Raises:
        InvalidInput: parameters that do not go together, a budget over the cash.
    """
    whole = filled_in(draft, defaults)
    for indicator in whole.indicators:
        IndicatorGrid(indicator)  # one whose constraint forbids its parameters has no variant
    return StrategySpec.model_validate(whole.model_dump(exclude={"time_range"}))


def name_of(spec: StrategySpec) -> str:
    """`BTCUSDT-1h-rsi14-sma50-3f2a9c1b`: readable, and one name for one content."""
    indicators = (_labelled(one) for one in spec.indicators)
    return "-".join((spec.instrument.symbol, spec.timeframe, *indicators, spec.hash[:SHORT_HASH]))


def _labelled(indicator: IndicatorAxes) -> str:
    first = next(iter(INDICATORS[indicator.id].params), None)
    return indicator.id if first is None else f"{indicator.id}{indicator.params[first]:.12g}"


def clone_of(parent: Strategy, draft: StrategyDraft, defaults: BacktestSettings) -> StrategySpec:
    """The draft of a clone with nothing left out.

    Raises:
        InvalidInput: as `spec_of`; or nothing in it is another than the parent's.
    """
    spec = spec_of(draft, defaults)
    if spec.hash == parent.spec_hash:
        raise invalid("", "no_change", f"the clone says nothing else than {parent.name}: name what it changes")
    return spec


def variant_content(request: BacktestRequest, variant_index: int) -> dict[str, object]:
    """That variant of a resolved request alone.

    Raises:
        InvalidInput: there is no such number.
    """
    grid = VariantGrid(request)
    if variant_index >= grid.size:
        message = f"there is no variant {str(variant_index)[:40]}: the search has variants 0 to {grid.size - 1}"
        raise invalid("variant.variant_index", "out_of_bounds", message)
    return grid.strategy(variant_index)
