"""The spec that is saved, made from a draft: defaults filled in, and a name."""

from __future__ import annotations

from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.backtests.request import BacktestRequest
from candleray.errors import invalid
from candleray.search.indicator_grid import IndicatorGrid
from candleray.search.variants import VariantGrid, filled_in
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import SHORT_HASH, Strategy, StrategyDraft, StrategySpec
from kernels.indicators import INDICATORS


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
    """`BTCUSDT-1h-rsi14-sma50-3f2a9c1b`: readable, and one name for one content."""
    indicators = (_label(indicator) for indicator in spec.named_indicators)
    return "-".join((spec.instrument.symbol, spec.timeframe, *indicators, spec.hash[:SHORT_HASH]))


def _label(indicator: IndicatorAxes) -> str:
    first_param = next(iter(INDICATORS[indicator.id].params), None)
    return indicator.id if first_param is None else f"{indicator.id}{indicator.params[first_param]:.12g}"


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
