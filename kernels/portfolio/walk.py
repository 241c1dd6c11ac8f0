"""The walk of a portfolio: the entries and exits of all members in order of time, over one account.

The rules are those of `docs/explanation/portfolio.md`; every formula of money is that of a single backtest, so
that a portfolio of one member is that backtest to the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import INTS, inline, jit, splice
from kernels.portfolio.ledger import (
    DAILY_LOSS,
    DRAWDOWN,
    GROSS,
    HALTED,
    LEDGER,
    NET,
    NO_CASH,
    PER_INSTRUMENT,
    POSITIONS,
    TAKEN,
    Ledger,
)
from kernels.portfolio.plans import (
    AT_CLOSE,
    ENTRIES,
    EXITS,
    FUNDS,
    LIMITS,
    MARKET,
    MARKS,
    MEMBER_BITS,
    MEMBERS,
    PLAN,
    Funds,
    Limits,
    Market,
    Members,
    Plan,
    Terms,
)
from kernels.portfolio.pockets import (
    NOBODY,
    fill_pockets,
    look_at,
    new_pockets,
    rebalance,
    see_prices,
    worth_of,
)
from kernels.simulation.accounts import Position, enter_at, exit_fill, leave_at, settle
from kernels.simulation.trades import booked_profit

_DAY_MS = 86_400_000
SMALLEST = 1e-9
"""An entry that limits leave less than this share of the equity is refused: after one that was cut, rounding is
what is left of a limit."""


class Halting(NamedTuple):
    """Memory of the limits of losses from mark to mark."""

    until_ms: int
    """No entry is taken before this time."""
    is_over: bool
    peak: float
    day: int
    before: float
    """The last mark of the days before."""
    last: float


def walk(
    plan: Plan,
    members: Members,
    market: Market,
    limits: Limits,
    funds: Funds,
    events: NDArray[np.int64],
) -> Ledger:
    """Walk a portfolio.

    Args:
        events: numbered as `event_keys` does, ascending: the entries and exits of the plan, and a rebalance for
            each row of shares after the first.
    """
    sizes = market.marks_ms.size, market.day_ends.size, members.fees.size, len(funds.shares) - 1
    ledger = Ledger.empty(*sizes, plan.sides.size)
    _walk(plan, members, market, limits, funds, events, ledger)
    return ledger


@inline
def terms_of(members, member, fixed_quote):
    return Terms(members.fees[member], members.slippages[member], fixed_quote, 0.0)


@splice
def _refusal(pockets, member, place, now_ms, open_positions, halting, limits):
    """The reason that refuses an entry whatever its notional."""
    if not pockets.available[member] > 0.0:
        return NO_CASH
    if halting.is_over:
        return DRAWDOWN
    if now_ms < halting.until_ms:
        return DAILY_LOSS
    if open_positions >= limits.max_positions:
        return POSITIONS
    if pockets.per_instrument[place] >= limits.max_per_instrument:
        return PER_INSTRUMENT
    return TAKEN


@splice
def _room(pockets, members, side, limits):
    """The notional that the limits of exposure leave, which of them it is, and the equity."""
    equity, gross, net = look_at(pockets, members.instruments)
    by_gross, by_net = limits.max_gross * equity - gross, limits.max_net * equity - side * net
    return (by_gross, GROSS, equity) if by_gross <= by_net else (by_net, NET, equity)


@splice
def _open(pockets, member, place, trade, position):
    pockets.trades[member] = trade
    pockets.sides[member] = position.side
    pockets.fills[member] = position.fill
    pockets.quantities[member] = position.quantity
    pockets.notionals[member] = position.notional
    pockets.fees[member] = position.fee
    pockets.free[member] = position.cash
    pockets.per_instrument[place] += 1


@splice
def _enter(pockets, members, member, trade, plan, limits, ledger):
    """Open a position, cut to what the limits leave; tell whether it was opened."""
    side, available = plan.sides[trade], pockets.available[member]
    fixed = min(members.fixed_quotes[member], plan.shares[trade] * available)
    if min(limits.max_gross, limits.max_net) < np.inf:
        room, reason, equity = _room(pockets, members, side, limits)
        if room < min(fixed, available / (1.0 + members.fees[member])):
            if not room >= SMALLEST * equity or room <= 0.0:
                ledger.refused[member, reason] += 1
                return 0
            ledger.shrunk[member, reason] += 1
            fixed = room
    terms = terms_of(members, member, fixed)
    position = enter_at(side, plan.entry_fills[trade], available, terms)
    _open(pockets, member, members.instruments[member], trade, position)
    return 1


@splice
def _leave(pockets, members, member, now_ms, fill, reason, ledger):
    """Close the position of a member at a fill."""
    position = Position(
        pockets.sides[member],
        pockets.fills[member],
        pockets.quantities[member],
        pockets.notionals[member],
        pockets.fees[member],
        pockets.free[member],
    )
    terms = terms_of(members, member, np.inf)
    closed = leave_at(position, fill, terms)
    bound = pockets.available[member] - position.cash
    profit, booked = booked_profit(bound, closed.profit, reason)
    deal = ledger.deals[ledger.counts[0]]
    deal.member, deal.trade, deal.exit_ms, deal.exit_fill = member, pockets.trades[member], now_ms, fill
    deal.quantity, deal.notional_quote = position.quantity, position.notional
    deal.fees_quote, deal.pnl_quote, deal.reason = position.fee + closed.fee, profit, booked
    ledger.counts[0] += 1
    pockets.available[member], _ = settle(pockets.available[member], 0.0, profit, terms)
    pockets.profits[member] += profit
    pockets.trades[member] = NOBODY
    pockets.per_instrument[members.instruments[member]] -= 1


@splice
def _close_all(pockets, members, now_ms, ledger):
    for member in range(members.fees.size):
        if pockets.trades[member] != NOBODY:
            price = pockets.prices[members.instruments[member]]
            fill = exit_fill(pockets.sides[member], price, members.slippages[member])
            _leave(pockets, members, member, now_ms, fill, HALTED, ledger)


@splice
def _note_halt(ledger, mark, reason):
    at = ledger.counts[1]
    ledger.halts[at, 0], ledger.halts[at, 1] = mark, reason
    ledger.counts[1] = at + 1


@splice
def _write_mark(pockets, members, mark, ledger, seen, open_positions):
    ledger.equity[mark], ledger.gross[mark], ledger.net[mark] = seen
    ledger.positions[mark] = open_positions
    if open_positions > 0:
        for member in range(members.fees.size):
            ledger.held_marks[member] += 1 if pockets.trades[member] != NOBODY else 0


@splice
def _write_day(pockets, members, day, ledger):
    for member in range(members.fees.size):
        profit = pockets.profits[member]
        if pockets.trades[member] != NOBODY:
            worth = worth_of(pockets, member, pockets.prices[members.instruments[member]])
            profit += worth - pockets.available[member]
        ledger.day_profits[day, member] = profit


@inline
def _day_begun(halting, now_ms):
    """The memory at a mark, whose day goes to midnight and has it."""
    day = (now_ms - 1) // _DAY_MS
    if day == halting.day:
        return halting
    return Halting(halting.until_ms, halting.is_over, halting.peak, day, halting.last, halting.last)


@inline
def _marked_halting(halting, equity, limits, now_ms):
    """The memory after a mark, and the limit that has just halted trading."""
    peak, until_ms, is_over, reason = max(halting.peak, equity), halting.until_ms, halting.is_over, TAKEN
    midnight = (halting.day + 1) * _DAY_MS
    if not is_over and equity <= halting.peak * (1.0 - limits.max_drawdown):
        is_over, reason = True, DRAWDOWN
    elif not is_over and until_ms <= now_ms < midnight and equity <= halting.before * (1.0 - limits.daily_loss):
        until_ms, reason = midnight, DAILY_LOSS
    return Halting(until_ms, is_over, peak, halting.day, halting.before, equity), reason


@jit(PLAN, MEMBERS, MARKET, LIMITS, FUNDS, INTS, LEDGER)
def _walk(plan, members, market, limits, funds, events, ledger):
    n_members, n_marks = members.fees.size, market.marks_ms.size
    pockets = new_pockets(n_members, market.firsts.size - 1, market)
    fill_pockets(pockets, funds.init_cash_quote, funds.shares[0])
    nexts = plan.firsts[:-1].copy()
    cash = funds.init_cash_quote
    halting = Halting(0, False, cash, -1, cash, cash)
    open_positions = at = rebalances = days = 0
    for mark in range(n_marks):
        now_ms = market.marks_ms[mark]
        marking = (now_ms * 2 + AT_CLOSE) * 4 + MARKS
        while at < events.size and events[at] >> MEMBER_BITS < marking:
            event = events[at] >> MEMBER_BITS
            kind, time_ms, member = event & 3, event >> 3, events[at] & ((1 << MEMBER_BITS) - 1)
            at += 1
            see_prices(pockets, market, time_ms)
            if kind == EXITS:
                trade = nexts[member]
                nexts[member] += 1
                if pockets.trades[member] == trade:
                    fill, reason = plan.exit_fills[trade], plan.reasons[trade]
                    _leave(pockets, members, member, time_ms, fill, reason, ledger)
                    open_positions -= 1
            elif kind == ENTRIES:
                place = members.instruments[member]
                refusal = _refusal(pockets, member, place, time_ms, open_positions, halting, limits)
                if refusal != TAKEN:
                    ledger.refused[member, refusal] += 1
                else:
                    open_positions += _enter(pockets, members, member, nexts[member], plan, limits, ledger)
            else:
                shares = funds.shares[rebalances + 1]
                equity, moved = rebalance(pockets, members.instruments, shares)
                ledger.rebalance_equity[rebalances], ledger.moved_quote[rebalances] = equity, moved
                rebalances += 1
        see_prices(pockets, market, now_ms)
        seen = look_at(pockets, members.instruments)
        halting, halted = _marked_halting(_day_begun(halting, now_ms), seen[0], limits, now_ms)
        if halted != TAKEN:
            _note_halt(ledger, mark, halted)
        if halted == DRAWDOWN:
            _close_all(pockets, members, now_ms, ledger)
            open_positions, seen = 0, look_at(pockets, members.instruments)
        _write_mark(pockets, members, mark, ledger, seen, open_positions)
        if mark == market.day_ends[days]:
            _write_day(pockets, members, days, ledger)
            days += 1
