"""A request's pruning as the kernels take it, and what they count as the answer says it (R6.1)."""

from __future__ import annotations

from candleray.backtests.request import BacktestRequest
from candleray.candles import IntArray
from candleray.timeframes import DAY_MS
from kernels.simulation.prune_reasons import REASONS
from kernels.simulation.pruning import Limits, Pruning, deadlines, no_deadlines


def pruning_of(request: BacktestRequest, ts_open_ms: IntArray, bar_ms: int) -> Pruning | None:
    """The limits over these bars; None where the request sets none."""
    asked, window = request.pruning, request.pruning.loss_window
    if not asked.asked:
        return None
    limits = Limits.of(
        max_drawdown_pct=asked.max_drawdown_pct,
        window_trades=None if window is None else window.trades,
        min_trades=asked.min_trades,
        max_trades=asked.max_trades,
        max_trade_bars=asked.max_trade_duration_bars,
    )
    if window is None or window.days is None:
        return Pruning(limits, no_deadlines(ts_open_ms.size))
    return Pruning(limits, deadlines(ts_open_ms, bar_ms, round(window.days * DAY_MS)))


def pruned_by_name(request: BacktestRequest, pruned: IntArray) -> dict[str, int]:
    """The counts of a ranking by the name of the limit, for those that the request sets."""
    counts = dict(zip(REASONS, pruned.tolist(), strict=True))
    return {name: counts[name] for name in request.pruning.asked}
