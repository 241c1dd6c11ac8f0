"""One variant of a request, looked at by itself: over the bars and under the guards of that variant alone."""

from __future__ import annotations

from typing import NamedTuple

from candleray.backtests.request import BacktestRequest
from candleray.errors import invalid
from candleray.market_data.bar_reader import CandleReader
from candleray.search.bars import Bars, read_bars
from candleray.search.estimate import require_sync_guards
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import Settings


class OneVariant(NamedTuple):
    whole: BacktestRequest
    """The resolved request that it is a variant of."""
    alone: BacktestRequest
    """The resolved request of that variant alone."""
    variant_index: int


def one_variant(request: BacktestRequest, variant_index: int, settings: Settings) -> OneVariant:
    """Return the variant of that number.

    Raises:
        InvalidInput: the request has no variant of that number.
    """
    whole = resolve(request, settings.backtests)
    grid = VariantGrid(whole)
    if not 0 <= variant_index < grid.size:
        message = f"there is no variant {str(variant_index)[:40]}: the request has variants 0 to {grid.size - 1}"
        raise invalid("variant_index", "out_of_bounds", message)
    alone = resolve(BacktestRequest.model_validate(grid.strategy(variant_index)), settings.backtests)
    return OneVariant(whole, alone, variant_index)


async def bars_of(variant: OneVariant, store: CandleReader, settings: Settings) -> Bars:
    """Read the bars that a backtest of that variant alone reads; a search of any size has variants to look at.

    Raises:
        GuardExceeded: the range is too long for one synchronous answer.
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """
    grid = VariantGrid(variant.alone)
    await require_sync_guards(grid, store, settings)
    return await read_bars(store, grid, settings.backtests)
