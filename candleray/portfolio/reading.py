"""The members of a portfolio with their bars: read as a backtest reads them, once for all that share them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from candleray.backtests.preflight import Guard
from candleray.backtests.request import BacktestRequest
from candleray.market_data.bar_reader import CandleReader
from candleray.portfolio.answer import answer_of
from candleray.portfolio.courses import Member, require_sizing
from candleray.portfolio.market import require_shared_time
from candleray.portfolio.portfolio_request import PortfolioRequest
from candleray.portfolio.portfolio_result import PortfolioResult
from candleray.portfolio.walking import walked
from candleray.search.bars import Bars, read_bars, warmup_bars
from candleray.search.estimate import compute_bytes, refuse_exceeded, require_sync_guards
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings, Settings
from candleray.work_elsewhere import Compute


async def backtested(
    request: PortfolioRequest,
    strategies: Sequence[tuple[str, BacktestRequest]],
    store: CandleReader,
    settings: Settings,
    compute: Compute,
) -> PortfolioResult:
    """Backtest a portfolio.

    Args:
        strategies: the name of each member, and what it does over the portfolio's range.

    Raises:
        InvalidInput: a sizing that a portfolio has no room for; members that share nothing in time.
        GuardExceeded: the range is too long for one synchronous answer.
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """
    for at, (_, strategy) in enumerate(strategies):
        require_sizing(at, strategy)
    members = await members_of(strategies, store, settings)
    cash = request.init_cash_quote or settings.backtests.init_cash_quote
    result: PortfolioResult = await compute(answered, request, members, cash, settings.backtests)
    return result


async def members_of(
    strategies: Sequence[tuple[str, BacktestRequest]], store: CandleReader, settings: Settings
) -> list[Member]:
    """Return the members with their bars."""
    resolved = [resolve(strategy, settings.backtests) for _, strategy in strategies]
    bars = await _bars_of(resolved, store, settings)
    names = (name for name, _ in strategies)
    members = [Member(*one) for one in zip(names, resolved, bars, strict=True)]
    require_shared_time(members)
    return members


def answered(
    request: PortfolioRequest, members: Sequence[Member], init_cash_quote: float, defaults: BacktestSettings
) -> PortfolioResult:
    """Return the answer to a portfolio over bars that are read."""
    return answer_of(walked(request, members, init_cash_quote, defaults), defaults)


async def _bars_of(requests: Sequence[BacktestRequest], store: CandleReader, settings: Settings) -> list[Bars]:
    """Read the bars of each request; those that differ in their strategy alone share them."""
    grids = [VariantGrid(request) for request in requests]
    keys = [_shared_by(at, grid) for at, grid in enumerate(grids)]
    longest: dict[Any, VariantGrid] = {}
    for key, grid in zip(keys, grids, strict=True):
        known = longest.get(key)
        if known is None or warmup_bars(grid, 0) > warmup_bars(known, 0):
            longest[key] = grid
    for grid in longest.values():
        await require_sync_guards(grid, store, settings)
    read: dict[Any, Bars] = {}
    for key, grid in longest.items():
        read[key] = await read_bars(store, grid, settings.backtests)
        _refuse_too_much(read.values(), longest, settings)
    return [read[key] for key in keys]


def _refuse_too_much(read: Any, longest: dict[Any, VariantGrid], settings: Settings) -> None:
    """
    Raises:
        GuardExceeded: the bars of the members together are more than one answer may take.
    """
    total = sum(compute_bytes(grid, bars.count) for grid, bars in zip(longest.values(), read, strict=False))
    guard = Guard(name="compute_bytes", number=total, limit=settings.guards.max_compute_bytes)
    refuse_exceeded([guard], "one synchronous answer")


def _shared_by(at: int, grid: VariantGrid) -> Any:
    """Return what members with the same bars have in common; whoever reads other candles shares with nobody."""
    request = grid.request
    if any(need.source is not None for need in grid.numbering.sources):
        return at
    return request.instrument.market_id, request.instrument.symbol, request.timeframe, grid.looks_inside
