"""Fills, fees and the account: all walks over bars take every number of money from here.

One formula serves every sizing. An account has two parts: `available`, which the strategy may use, and
`reserve`, which it may not: cash outside its budget, and locked profits. The notional of an entry is a fixed
amount, a share of what is available (`levels/sizes.py`), or all of it once the fee is paid, whichever is smaller.
A share of each profit moves to the reserve.
"""

from __future__ import annotations

from typing import NamedTuple

from kernels.jit import FLOAT, INT, inline, record_of

LONG_ONLY, SHORT_ONLY, LONG_SHORT = 1, 2, 3
"""Directions are sets of sides: bit 0 allows longs, bit 1 shorts."""
DIRECTIONS = {"long-only": LONG_ONLY, "short-only": SHORT_ONLY, "long-short": LONG_SHORT}

OPPOSITE, NEUTRAL = 0, 1
EXITS_ON = {"opposite": OPPOSITE, "neutral": NEUTRAL}

LONG, SHORT = 1.0, -1.0


class Rules(NamedTuple):
    """Rules that all variants of a simulation share, in the types that compiled code takes."""

    direction: int
    exit_on: int
    fee: float
    slippage: float
    init_cash_quote: float
    budget_quote: float
    fixed_quote: float
    locked_share: float

    @staticmethod
    def of(
        direction: str,
        exit_on: str,
        *,
        fee_pct: float,
        slippage_pct: float,
        init_cash_quote: float,
        budget_quote: float | None = None,
        fixed_quote: float | None = None,
        safe_profit_pct: float = 0.0,
    ) -> Rules:
        """Rules as people write them: names, percents, and None for no limit.

        Raises:
            KeyError: for an unknown direction or exit.
        """
        budget = init_cash_quote if budget_quote is None else budget_quote
        return Rules(
            DIRECTIONS[direction],
            EXITS_ON[exit_on],
            float(fee_pct) / 100.0,
            float(slippage_pct) / 100.0,
            float(init_cash_quote),
            float(budget),
            float("inf") if fixed_quote is None else float(fixed_quote),
            float(safe_profit_pct) / 100.0,
        )


RULES = record_of(Rules, INT, INT, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT)
"""The compiled type of `Rules`."""


class Position(NamedTuple):
    """An open position; `cash` is the part of `available` that its entry did not spend, or below 0 the debt."""

    side: float
    fill: float
    quantity: float
    notional: float
    fee: float
    cash: float


class Exit(NamedTuple):
    """The end of a position; `profit` is net of both fees."""

    fill: float
    fee: float
    profit: float


@inline
def entry_fill(side, price, slippage):
    return price * (1.0 + side * slippage)


@inline
def enter(side, price, available, rules):
    """Open a position at a close."""
    return enter_at(side, entry_fill(side, price, rules.slippage), available, rules)


@inline
def enter_at(side, fill, available, rules):
    """Open a position at a fill that is known already."""
    affordable = available / (1.0 + rules.fee)
    notional = min(rules.fixed_quote, affordable)
    fee = rules.fee * notional
    # A whole budget leaves nothing; a subtraction would leave its rounding.
    cash = 0.0 if notional == affordable else available - notional - fee
    return Position(side, fill, notional / fill, notional, fee, cash)


@inline
def enter_share(side, fill, available, share, leverage, rules):
    """Open a position of that share of what is available, or of as much as the leverage allows.

    A leverage above 1 leaves a negative `cash`: what the exchange lends. The bound's factor is the same for all
    trades, so that no division waits for the money of the trade before.
    """
    most = available * (leverage / (1.0 + leverage * rules.fee))
    notional = min(min(rules.fixed_quote, share * available), most)
    fee = rules.fee * notional
    cash = 0.0 if leverage == 1.0 and notional == most else available - notional - fee
    return Position(side, fill, notional / fill, notional, fee, cash)


@inline
def exit_fill(side, price, slippage):
    return price * (1.0 - side * slippage)


@inline
def leave(position, price, rules):
    """Close a position at a close."""
    return leave_at(position, exit_fill(position.side, price, rules.slippage), rules)


@inline
def leave_at(position, fill, rules):
    """Close a position at a fill that is known already."""
    fee = rules.fee * position.quantity * fill
    return Exit(fill, fee, position.side * position.quantity * (fill - position.fill) - position.fee - fee)


@inline
def ruin_price(position):
    """The close at which a short has lost its margin, its proceeds, and the cash that was left.

    It is never below twice the fill, but of a position with leverage, which has a stop-loss before that.
    """
    return position.fill * (2.0 + position.cash / position.notional)


@inline
def settle(available, reserve, profit, rules):
    """Available and reserve after a trade: a share of a profit is locked before anything is spent again."""
    locked = rules.locked_share * max(profit, 0.0)
    return available + (profit - locked), reserve + locked


@inline
def total_return_pct(equity: float, init_cash: float) -> float:
    return (equity / init_cash - 1.0) * 100.0
