"""Remarks on an answer that are about what a strategy says: names, other candles, things that stand twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from candleray.backtests.request import BacktestRequest
from candleray.backtests.signals.cross_references import used_names
from candleray.markets import MARKETS
from candleray.search.bars import Bars
from candleray.search.indicator_grid import IndicatorGrid
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.mirrors import mirrored_things, repeated_indicators
from candleray.search.signals.signal_grid import SignalGrid
from candleray.search.variants import VariantGrid
from kernels.indicators import INDICATORS
from kernels.rules import FAMILIES

_OF_PRICE = "price_against_output"


def signal_notes(grid: VariantGrid, bars: Bars) -> Iterator[str]:
    """Yield what a reader of the answer should know of its signals."""
    if grid.request.signals is None:
        yield from _twice(grid.request)
        return
    yield from _unread(grid.request)
    if isinstance(grid.numbering, SignalGrid):
        yield from mirrored_things(grid.numbering)
    evaluator = Evaluator(bars, 0)
    for need in grid.numbering.sources:
        source = need.source
        if source is not None and (missing := evaluator.missing(source)):
            market = MARKETS[source.market_id].name
            yield (
                f"{market} {source.symbol} {source.timeframe}: {missing} of the {bars.count} bars have none "
                "closed: conditions that read it do not hold there"
            )


def _unread(request: BacktestRequest) -> Iterator[str]:
    assert request.signals is not None
    for name in sorted(set(request.let) - used_names(request.let, request.signals)):
        yield f"let.{name}: no signal reads it, so it makes no variants"


def _twice(request: BacktestRequest) -> Iterator[str]:
    for name, count in Counter(indicator.id for indicator in request.indicators).items():
        if count > 1:
            every = "both" if count == 2 else f"all {count}"
            family = FAMILIES[INDICATORS[name].rule.family]
            means = f"the close above {every}, or below {every}" if family.name == _OF_PRICE else family.meaning
            yield (
                f"{name} stands {count} times: all of them must say long, or all short: {means.rstrip('.')}; "
                'that one crosses the other is said by signals: {"cross_above": ["fast", "slow"]}'
            )
    for axes, count in repeated_indicators(request):
        size = IndicatorGrid(axes).size
        yield (
            f"{axes.id} stands {count} times with the same {size} values: "
            "combinations with these swapped are the same strategy"
        )
