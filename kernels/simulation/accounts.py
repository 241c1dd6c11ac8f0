"""Fills, fees and the account: every number of money the simulators make comes from here (R4.5, R4.7, R4.8).

One formula serves the four sizings. The account is what the strategy may use (`available`) and what it may not
(`reserve`: cash outside its budget, and the profits it locked). An entry's notional is the smaller of a fixed
amount and of what is available once the fee is paid; of a profit a share moves to the reserve.

    all_in                         the budget is all cash, no fixed amount, nothing locked
    fixed_quote                    the same with a fixed amount
    strategy_compound              a budget, the rest in the reserve
    strategy_compound_profit_lock  the same, and a share of each profit is locked
"""

from __future__ import annotations

from typing import NamedTuple

from numba import types

from kernels.jit import FLOAT, INT, inline

LONG_ONLY, SHORT_ONLY, LONG_SHORT = 1, 2, 3
"""Directions as sets of sides: bit 0 allows longs, bit 1 shorts."""
DIRECTIONS = {"long-only": LONG_ONLY, "short-only": SHORT_ONLY, "long-short": LONG_SHORT}

OPPOSITE, NEUTRAL = 0, 1
EXITS_ON = {"opposite": OPPOSITE, "neutral": NEUTRAL}

LONG, SHORT = 1.0, -1.0


class Rules(NamedTuple):
    """What a simulation holds fixed over all variants, in the types compiled code takes."""

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
        """The rules as people write them: names, percents, and None for no limit.

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


RULES = types.NamedTuple((INT, INT, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT), Rules)
"""The compiled type of `Rules`."""


class Position(NamedTuple):
    """An open position; `cash` is what its entry left of the available."""

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
    """The position that a signal opens at a close."""
    return enter_at(side, entry_fill(side, price, rules.slippage), available, rules)


@inline
def enter_at(side, fill, available, rules):
    """The position opened at a fill that is known."""
    affordable = available / (1.0 + rules.fee)
    notional = min(rules.fixed_quote, affordable)
    fee = rules.fee * notional
    # By definition nothing is left of a whole budget; a subtraction would leave its rounding.
    cash = 0.0 if notional == affordable else available - notional - fee
    return Position(side, fill, notional / fill, notional, fee, cash)


@inline
def leave(position, price, rules):
    """The exit at a close."""
    fill = price * (1.0 - position.side * rules.slippage)
    fee = rules.fee * position.quantity * fill
    return Exit(fill, fee, position.side * position.quantity * (fill - position.fill) - position.fee - fee)


@inline
def ruin_price(position):
    """The close at which a short has lost all that was available: its margin, its proceeds, and the cash left.

    Never below twice the fill.
    """
    return position.fill * (2.0 + position.cash / position.notional)


@inline
def settle(available, reserve, profit, rules):
    """The account after a trade: a share of a profit is locked before anything is spent again."""
    locked = rules.locked_share * max(profit, 0.0)
    return available + (profit - locked), reserve + locked


@inline
def total_return_pct(equity, init_cash):
    return (equity / init_cash - 1.0) * 100.0
