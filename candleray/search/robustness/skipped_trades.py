"""Trades left out at random: what the strategy would have made without some of its entries.

The trades that are left stand on bars of their own, three each: the close of its entry, the highest close until
its exit, at which a short may be ruined, and the close of its exit. The engine walks over those as over any bars,
all draws as the variants of one grid, so that every number of money is its own. A trade keeps its bars whatever
became of those before it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.facts import Performance
from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import Figures
from candleray.candles import FloatArray
from candleray.random_words import words_of
from candleray.search.bars import Bars
from candleray.search.robustness.draws import Drawn, chosen
from candleray.search.robustness.figures import figures_of, traced
from candleray.search.variant_reports import Traced
from candleray.settings import BacktestSettings
from kernels.bits import pack, plane_addresses
from kernels.simulation.accounts import NEUTRAL
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.prices import Prices
from kernels.simulation.without_stops import rank_range, trades_of

BARS_A_TRADE = 3
FLAGS_AT_ONCE = 2**24
"""Flags of bars that are laid out at once, about."""

Flags = NDArray[np.bool_]


def without_some(
    bars: Bars, request: BacktestRequest, defaults: BacktestSettings, skipped_pct: float, draws: int, seed: int
) -> Drawn:
    """Return the total returns of a strategy in so many draws, each of which leaves out a share of its trades."""
    run = traced(bars, request, defaults)
    trades, parts, kept = LoneTrades(run), [], []
    for part in kept_trades(run.trades.size, skipped_pct, draws, seed):
        parts.append(trades.returns(part))
        kept.append(np.packbits(part, axis=1))
    returns, packed = np.concatenate(parts), np.concatenate(kept)

    def figures(draw: int) -> Figures:
        flags = np.unpackbits(packed[draw], count=run.trades.size).view(np.bool_)
        return figures_of(trades.performance(flags))

    return Drawn(returns, {draw: figures(draw) for draw in chosen(returns)})


def kept_trades(trades: int, skipped_pct: float, draws: int, seed: int) -> Iterator[Flags]:
    """Yield which trades are left in each draw, `(draws, trades)`, some draws at a time."""
    words = words_of(seed, "skipped trades")
    threshold = np.uint64(int(skipped_pct / 100 * 2**64))
    at_once = max(1, FLAGS_AT_ONCE // (2 * BARS_A_TRADE * max(1, trades)))
    for first in range(0, draws, at_once):
        count = min(at_once, draws - first)
        yield words.random_raw(count * trades).reshape(count, trades) >= threshold


class LoneTrades:
    """The trades of one strategy, of which any may be left out."""

    def __init__(self, run: Traced) -> None:
        self._run = run
        # Each ends where it ended, whatever had it end: it is neutral there.
        self._rules = run.retracing.rules._replace(exit_on=NEUTRAL)
        self._prices = Prices.over(_closes(run), self._rules.slippage)
        self._sides = np.stack([run.trades["side"] > 0, run.trades["side"] < 0])

    def returns(self, kept: Flags) -> FloatArray:
        """Return the total return of each draw in percent.

        Args:
            kept: which trades are left, `(draws, trades)`.
        """
        planes, outcomes = self._planes(kept), Outcomes.for_variants(len(kept))
        grid = PlaneGrid(plane_addresses([planes]), np.zeros(1, np.int64), np.array([len(kept)], np.int64))
        rank_range(grid, 0, self._prices, self._rules, outcomes)
        return outcomes.total_return_pct

    def performance(self, kept: Flags) -> Performance:
        """Return the performance of one draw, on the bars of the range.

        Args:
            kept: which trades are left, `(trades,)`.
        """
        planes = self._planes(kept[np.newaxis])
        trades, _ = trades_of(PlaneGrid.of_variant(plane_addresses([planes])), self._prices, self._rules)
        own = self._run.trades[trades["entry_bar"] // BARS_A_TRADE]
        for name in ("entry_bar", "exit_bar"):
            trades[name] = own[name]
        return self._run.retracing.performance(trades)

    def _planes(self, kept: Flags) -> NDArray[np.uint64]:
        """Return the signals of each draw: on the bars of its trades but for their last."""
        flags = np.zeros((len(kept), 2, kept.shape[1], BARS_A_TRADE), np.bool_)
        flags[..., :-1] = (kept[:, np.newaxis] & self._sides)[..., np.newaxis]
        return pack(flags.reshape(len(kept), 2, -1))


def _closes(run: Traced) -> FloatArray:
    """Return the closes of the trades' own bars."""
    trades, close = run.trades, run.bars.close
    ends = np.stack([trades["entry_bar"] + 1, trades["exit_bar"] + 1], axis=1).reshape(-1)
    highest = np.maximum.reduceat(np.append(close, -np.inf), ends)[::2]
    return np.stack([close[trades["entry_bar"]], highest, close[trades["exit_bar"]]], axis=1).reshape(-1)
