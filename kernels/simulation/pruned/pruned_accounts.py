"""An account under limits, trade by trade: with and without stops a variant ends by the same code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kernels.jit import inline, splice
from kernels.simulation.accounts import SHORT, enter_at, enter_share, exit_fill, leave_at, settle, total_return_pct
from kernels.simulation.exits import EXIT_RUIN, EXIT_SIGNAL
from kernels.simulation.pruned.limits import KEPT
from kernels.simulation.pruned.pruning import (
    Standing,
    Tally,
    TradeBars,
    after_idle_bars,
    fate_at_end,
    fate_at_exit,
    first_standing,
    state_of,
    tally_with,
    until_exit,
)
from kernels.simulation.trades import booked_profit, ruin_before


class PrunedAccount(NamedTuple):
    """An account, and the fate of its variant so far."""

    available: float
    reserve: float
    tally: Tally
    last_exit: int
    standing: Standing
    fate: int


class Deal(NamedTuple):
    """A trade as its signals and levels make it: the bars of its fills, and the fills."""

    side: float
    bar: np.int64
    exit_bar: np.int64
    fill: float
    exit_fill: float
    share: float
    """Its notional as a share of what is available, before any bound."""
    leverage: float
    """The bound of the notional; 0 where the rules size it alone, whatever the share."""


@inline
def open_account(rules, pruning):
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    standing = first_standing(available + reserve, pruning.deadlines)
    return PrunedAccount(available, reserve, Tally(0, 0, 0), 0, standing, KEPT)


@inline
def may_trade(account):
    return account.fate == KEPT and account.available > 0.0


@splice
def trade(account, deal, prices, rules, pruning):
    """The account after one more trade; where that breaks a limit, money and trades are those before it."""
    available, reserve, tally = account.available, account.reserve, account.tally
    if deal.leverage == 0.0:
        position = enter_at(deal.side, deal.fill, available, rules)
    else:
        position = enter_share(deal.side, deal.fill, available, deal.share, deal.leverage, rules)
    reason = EXIT_SIGNAL
    exit_bar, fill = deal.exit_bar, deal.exit_fill
    if deal.bar < prices.exposed and deal.side == SHORT:
        exit_bar, reason = ruin_before(position, deal.bar, exit_bar, reason, prices)
        if reason == EXIT_RUIN:
            fill = exit_fill(deal.side, prices.close[exit_bar], rules.slippage)
    bars = TradeBars(account.last_exit, deal.bar, exit_bar)
    fate, standing = until_exit(account.standing, tally, position, available + reserve, bars, prices, pruning)
    if fate != KEPT:
        return PrunedAccount(available, reserve, tally, account.last_exit, standing, fate)
    exit_ = leave_at(position, fill, rules)
    profit, _ = booked_profit(available, exit_.profit, reason)
    settled = settle(available, reserve, profit, rules)
    closed = tally_with(tally, profit)
    state = state_of(standing, closed, settled[0] + settled[1], exit_bar, exit_bar - deal.bar)
    fate = fate_at_exit(state, pruning.limits)
    if fate != KEPT:
        return PrunedAccount(available, reserve, tally, account.last_exit, standing, fate)
    return PrunedAccount(settled[0], settled[1], closed, exit_bar, standing, KEPT)


@inline
def close_account(account, n_bars, rules, pruning, outcomes, place):
    """Write the outcome of a variant that trades no more."""
    equity, fate, tally = account.available + account.reserve, account.fate, account.tally
    if fate == KEPT:
        fate, standing = after_idle_bars(account.standing, tally, equity, account.last_exit, n_bars, pruning)
        if fate == KEPT:
            fate = fate_at_end(state_of(standing, tally, equity, n_bars - 1, 0), pruning.limits)
    outcomes.total_return_pct[place] = total_return_pct(equity, rules.init_cash_quote)
    outcomes.trades[place] = tally.trades
    outcomes.fates[place] = fate
