"""Paper accounts stepped through bars beside the backtest of the same, to the bit, and beside the oracle.

python -m tests.support.oracles.step_comparison 2000 5000
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from kernels.bits import pack
from kernels.live.bar_signals import Decisions, bar_signals
from kernels.live.paper_accounts import TERMS, new_accounts
from kernels.live.steps import Tapes, step_accounts
from kernels.live.trade_events import ANNULLED, CLOSED
from kernels.simulation.equity_curve import mark_equity
from kernels.simulation.exits import EXIT_GAP, EXIT_LAST_BAR, EXIT_REASONS, EXIT_RUIN
from kernels.simulation.trades import TRADE
from tests.support.oracles.drawn_runs import DrawnRun
from tests.support.oracles.oracle_comparison import assert_close


class SteppedRun:
    """One run taken through all its bars, some at a time."""

    def __init__(self, run: DrawnRun, seed: int = 0, most_bars: int = 200) -> None:
        draw = random.Random(seed)
        self.run = run
        self.terms = np.array([run.terms.record], TERMS)
        self.accounts = new_accounts(self.terms)
        self._decisions = Decisions.of([(run.rows, run.program)])
        events, equity, done = [], [], 0
        while done < run.close.size:
            stop = min(run.close.size, done + draw.choice([1, 1, 2, 63, 64, 65, most_bars]))
            some_events, some_equity = self._step(done, stop)
            events.append(some_events)
            equity.append(some_equity)
            done = stop
        self.events, self.equity = np.concatenate(events), np.concatenate(equity)

    def _step(self, first: int, stop: int) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        one, run = np.zeros(1, np.int64), self.run
        truths = pack(run.flags[:, :, first:stop])
        signals, _ = bar_signals(self._decisions, self.terms, one, truths, stop - first)
        bars = np.arange(first, stop)
        after_gap = np.isin(bars - 1, run.gaps).astype(np.uint8)
        tapes = Tapes(bars[None], run.close[None, first:stop], after_gap[None])
        events, equity = step_accounts(self.accounts, self.terms, one, one, tapes, signals)
        return events, equity[0]

    @property
    def trades(self) -> NDArray[np.void]:
        closed = self.events[self.events["kind"] == CLOSED]
        trades = np.empty(closed.size, TRADE)
        for name in TRADE.names or ():
            trades[name] = closed[name]
        return trades

    @property
    def restated_equity(self) -> NDArray[np.float64]:
        """The equity at each close, with what bars behind gaps have said of the bars before them."""
        equity = self.equity.copy()
        late = (self.events["kind"] == ANNULLED) | (self.events["exit_reason"] == EXIT_GAP)
        equity[self.events["bar"][late]] = self.events["equity_quote"][late]
        return equity

    @property
    def is_open(self) -> bool:
        return bool(self.accounts["side"][0])

    def check(self) -> None:
        """Trades and equity are the backtest's, to the bit, but for the end of the bars; and the oracle's."""
        run, trades, last = self.run, self.trades, self.run.close.size - 1
        expected = run.backtest()
        forced = bool(expected.size) and self.is_open and self.accounts["entry_bar"][0] < last
        if forced:
            self._check_last(expected[-1], last)
        assert trades.tobytes() == expected[: expected.size - forced].tobytes()
        equity = np.empty(run.close.size)
        mark_equity(expected, run.close, run.rules.init_cash_quote, np.arange(run.close.size), equity)
        told = last if self.is_open else last + 1
        assert self.restated_equity[:told].tobytes() == equity[:told].tobytes()
        self._check_against_the_oracle(trades)

    def _check_last(self, trade: np.void, last: int) -> None:
        """The trade that the backtest closes because its bars end is the open position."""
        account = self.accounts[0]
        assert trade["exit_bar"] == last
        # A short that cannot pay its way out is ruined by any exit; that there is one is what the end has brought.
        assert trade["exit_reason"] in (EXIT_LAST_BAR, EXIT_RUIN)
        assert (trade["entry_bar"], trade["side"]) == (account["entry_bar"], account["side"])
        fields = ("entry_fill", "quantity", "entry_notional_quote", "entry_fee_quote")
        own = ("fill", "quantity", "notional", "fee")
        assert [trade[name] for name in fields] == [account[name] for name in own]

    def _check_against_the_oracle(self, trades: NDArray[np.void]) -> None:
        oracle_run = self.run.by_the_bar
        expected = oracle_run.trades[: trades.size]
        assert len(oracle_run.trades) - len(expected) in (0, 1)
        for row, trade in zip(trades, expected, strict=True):
            assert EXIT_REASONS[row["exit_reason"]] == trade.exit_reason
            for name in trades.dtype.names[:-2]:
                assert_close(row[name].item(), getattr(trade, name), name)


def main(runs: int, bars: int, first: int = 0) -> int:
    began = time.perf_counter()
    wrong, reasons, events, still_open = [], Counter[str](), Counter[int](), 0
    for seed in range(first, first + runs):
        stepped = SteppedRun(DrawnRun(seed, bars), seed)
        try:
            stepped.check()
        except AssertionError as exc:
            wrong.append(seed)
            print(f"seed {seed}: {str(exc).splitlines()[:1]}", flush=True)
        reasons.update(EXIT_REASONS[code] for code in stepped.trades["exit_reason"].tolist())
        events.update(stepped.events["kind"].tolist())
        still_open += stepped.is_open
    told = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    print(
        f"{runs:,} runs over {bars:,} bars, a few at a time: {len(wrong)} differ by a bit from the backtest "
        f"or from the oracle; {reasons.total():,} trades ({told}), {events[ANNULLED]:,} annulled entries, "
        f"{still_open:,} open at the end; {time.perf_counter() - began:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
