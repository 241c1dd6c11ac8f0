"""The peers, each given the same signals and asked for the same trades.

A signal pair is one variant's final long-only signals, a flag a bar: where it may open a position, and where it
closes one. Making it is part of each peer's work, as it is part of ours.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import vectorbt
from backtesting import Strategy
from backtesting.lib import FractionalBacktest
from numpy.typing import NDArray
from vectorbt.portfolio.enums import StopEntryPrice, StopExitPrice

from tests.bench.workload import Workload
from tests.support.oracles import oracle

Flags = NDArray[np.bool_]
ENGINES = ("numba", "rust")
"""vectorbt's: the first is what the package brings, the second its optional extra."""


def long_only_signals(flags: Flags) -> tuple[Flags, Flags]:
    """Entries and exits of one variant from `flags[indicators, 2, bars]`, in the rules of `exit_on: neutral`.

    Entries are fresh, so that a stop is not undone by the signal it ended; the last bar opens nothing and closes
    what is open.
    """
    long, short = np.logical_and.reduce(flags, axis=0)
    final = long & ~short
    entries = final.copy()
    entries[1:] &= ~final[:-1]
    exits = ~final
    entries[-1], exits[-1] = False, True
    return entries, exits


@dataclass(frozen=True)
class Costs:
    fee: float
    slippage: float
    init_cash_quote: float

    @staticmethod
    def of(workload: Workload) -> Costs:
        request = workload.request
        return Costs(
            float(request.fee_pct or 0) / 100,
            float(request.slippage_pct or 0) / 100,
            float(request.init_cash_quote or 0),
        )


class Vectorbt:
    """`Portfolio.from_signals` over a workload's closes, in the rules of ours.

    Signals are read at the close and filled there. Stops are measured from the fill, triggered by closes (no highs
    or lows are given) and filled at the close with slippage; with `inside`, by the highs and lows of each bar, and
    filled at the level or at the bar's open beyond it.
    """

    def __init__(self, workload: Workload, engine: str) -> None:
        bars = workload.bars
        # Without a time zone: with one, vectorbt makes an object of every stamp, which costs another two seconds.
        stamps = pd.DatetimeIndex(bars.ts_open_ms.astype("datetime64[ms]"))
        self.close = pd.Series(bars.close, stamps)
        self.ranges = {
            name: pd.Series(bars.candles.column(name)[bars.start :], stamps) for name in ("open", "high", "low")
        }
        self.costs = Costs.of(workload)
        self.engine = engine

    def portfolio(self, entries: Any, exits: Any, close: Any = None, inside: bool = False, **stops: Any) -> Any:
        if stops:
            price = StopExitPrice.StopLimit if inside else StopExitPrice.Close
            stops |= {"stop_entry_price": StopEntryPrice.FillPrice, "stop_exit_price": price}
            stops |= self.ranges if inside else {}
        return vectorbt.Portfolio.from_signals(
            self.close if close is None else close,
            entries,
            exits,
            fees=self.costs.fee,
            slippage=self.costs.slippage,
            init_cash=self.costs.init_cash_quote,
            min_size=0.0,  # by default it places no order below 1e-8 of the coin
            freq="1min",
            engine=self.engine,
            **stops,
        )

    def one(self, flags: Flags, **stops: Any) -> float:
        """The usual call: one variant, total return."""
        entries, exits = long_only_signals(flags)
        index = self.close.index
        portfolio = self.portfolio(pd.Series(entries, index), pd.Series(exits, index), **stops)
        return float(portfolio.total_return())

    def many(self, flags: list[Flags]) -> NDArray[np.float64]:
        """The documented way to test many variants: one column each, plain arrays."""
        pairs = [long_only_signals(one) for one in flags]
        entries = np.column_stack([entries for entries, _ in pairs])
        exits = np.column_stack([exits for _, exits in pairs])
        return np.asarray(self.portfolio(entries, exits, self.close.to_numpy()[:, None]).total_return())

    def many_stops(self, flags: Flags, stops: list[tuple[float, float]]) -> NDArray[np.float64]:
        """One variant under many stop levels: one column each, the signals broadcast."""
        entries, exits = (signal[:, None] for signal in long_only_signals(flags))
        levels = dict(zip(("sl_stop", "tp_stop"), np.array(stops).T[:, None, :], strict=True))
        portfolio = self.portfolio(entries, exits, self.close.to_numpy()[:, None], **levels)
        return np.asarray(portfolio.total_return())


def backtesting_run(workload: Workload, flags: Flags) -> Callable[[], Any]:
    """One run of backtesting.py: bars and signals as arrays, fractional units, fills at the close."""
    entries, exits = long_only_signals(flags)
    bars, costs = workload.bars, Costs.of(workload)

    class Follow(Strategy):
        def init(self) -> None:
            self.entries, self.exits = entries, exits

        def next(self) -> None:
            bar = len(self.data) - 1
            if self.position:
                if self.exits[bar]:
                    self.position.close()
            elif self.entries[bar]:
                self.buy()

    open_, high, low, close, volume = bars.candles.values[:, bars.start :]
    frame = pd.DataFrame(
        {"Open": open_, "High": high, "Low": low, "Close": close, "Volume": volume},
        index=pd.DatetimeIndex(bars.ts_open_ms.astype("datetime64[ms]")),
    )

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            backtest = FractionalBacktest(
                frame,
                Follow,
                cash=costs.init_cash_quote,
                commission=costs.fee,
                spread=costs.slippage,  # of entries alone
                trade_on_close=True,
                finalize_trades=True,
            )
            return backtest.run()

    return run


def oracle_run(workload: Workload, flags: Flags) -> Callable[[], oracle.Run]:
    """The naive per-bar simulator of the tests."""
    request, costs = workload.request, Costs.of(workload)
    rules = oracle.Rules(
        direction=request.direction.value,
        exit_on=request.exit_on.value,
        fee_pct=float(request.fee_pct or 0),
        slippage_pct=float(request.slippage_pct or 0),
        init_cash_quote=costs.init_cash_quote,
    )
    long, short = flags[:, 0].tolist(), flags[:, 1].tolist()
    close = workload.bars.close.tolist()
    return lambda: oracle.simulate(long, short, close, rules)
