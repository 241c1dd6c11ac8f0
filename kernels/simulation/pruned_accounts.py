"""An account under limits, trade by trade: with and without stops a variant ends by the same code."""

from __future__ import annotations

from typing import NamedTuple

from kernels.jit import inline, splice
from kernels.simulation.accounts import SHORT, enter, leave, settle, total_return_pct
from kernels.simulation.prune_reasons import KEPT
from kernels.simulation.pruning import Standing, TradeBars, after_last_trade, after_trade, first_standing
from kernels.simulation.trades import EXIT_SIGNAL, booked_profit, ruin_before


class PrunedAccount(NamedTuple):
    """An account, and the fate of its variant so far."""

    available: float
    reserve: float
    trades: int
    """Trades that have closed."""
    last_exit: int
    standing: Standing
    fate: int


@inline
def open_account(rules, pruning):
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    return PrunedAccount(available, reserve, 0, 0, first_standing(available + reserve, pruning.deadlines), KEPT)


@inline
def may_trade(account):
    return account.fate == KEPT and account.available > 0.0


@splice
def trade(account, side, bar, exit_bar, prices, rules, pruning):
    """The account after one more trade; where that breaks a limit, the money is that before it."""
    available, reserve = account.available, account.reserve
    position, reason = enter(side, prices.close[bar], available, rules), EXIT_SIGNAL
    if bar < prices.exposed and side == SHORT:
        exit_bar, reason = ruin_before(position, bar, exit_bar, reason, prices)
    bars = TradeBars(account.last_exit, bar, exit_bar)
    fate, standing = after_trade(
        account.standing, position, available + reserve, bars, account.trades, prices, pruning
    )
    if fate != KEPT:
        return PrunedAccount(available, reserve, account.trades, account.last_exit, standing, fate)
    closed = leave(position, prices.close[exit_bar], rules)
    profit, _ = booked_profit(available, closed.profit, reason)
    available, reserve = settle(available, reserve, profit, rules)
    return PrunedAccount(available, reserve, account.trades + 1, exit_bar, standing, KEPT)


@inline
def close_account(account, n_bars, rules, pruning, outcomes, place):
    """Write the outcome of a variant that trades no more."""
    equity, fate = account.available + account.reserve, account.fate
    if fate == KEPT:
        fate = after_last_trade(account.standing, equity, account.last_exit, n_bars, account.trades, pruning)
    outcomes.total_return_pct[place] = total_return_pct(equity, rules.init_cash_quote)
    outcomes.trades[place] = account.trades
    outcomes.fates[place] = fate
