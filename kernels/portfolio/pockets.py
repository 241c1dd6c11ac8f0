"""The pockets of a portfolio's members: what they hold, what it is worth, and how cash moves between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import inline, splice
from kernels.simulation.equity_curve import marked

NOBODY = -1

ROUNDING = 1e-12
"""Cash that a rebalance gives below this share of the equity is none: a pocket with rounding in it would trade."""


class Pockets(NamedTuple):
    """The money of all members, which the walk changes in place."""

    available: NDArray[np.float64]
    """Money that a pocket held when its position opened; all that it holds, where none is open."""
    free: NDArray[np.float64]
    """The part of it that an open position did not spend."""
    trades: NDArray[np.int64]
    """The trade of the plan that is open; `NOBODY` where none is."""
    sides: NDArray[np.float64]
    fills: NDArray[np.float64]
    quantities: NDArray[np.float64]
    notionals: NDArray[np.float64]
    fees: NDArray[np.float64]
    profits: NDArray[np.float64]
    """Profits of all closed trades."""
    idle: NDArray[np.float64]
    """One number: the cash in no pocket."""
    prices: NDArray[np.float64]
    """The last close of each instrument."""
    nexts: NDArray[np.int64]
    """The place of the close that comes next, of each instrument."""
    per_instrument: NDArray[np.int64]
    """Open positions in each."""


@inline
def new_pockets(members, instruments, market):
    return Pockets(
        np.zeros(members),
        np.zeros(members),
        np.full(members, NOBODY),
        np.zeros(members),
        np.zeros(members),
        np.zeros(members),
        np.zeros(members),
        np.zeros(members),
        np.zeros(members),
        np.zeros(1),
        np.full(instruments, np.nan),
        market.firsts[:-1].copy(),
        np.zeros(instruments, np.int64),
    )


@splice
def fill_pockets(pockets, init_cash, shares):
    left = init_cash
    for member in range(shares.size):
        pockets.available[member] = shares[member] * init_cash
        left -= pockets.available[member]
    pockets.idle[0] = left


@splice
def see_prices(pockets, market, now_ms):
    """Take the last close of each instrument at or before a time."""
    for place in range(pockets.prices.size):
        at, stop = pockets.nexts[place], market.firsts[place + 1]
        while at < stop and market.closed_ms[at] <= now_ms:
            at += 1
        if at > pockets.nexts[place]:
            pockets.prices[place] = market.closes[at - 1]
            pockets.nexts[place] = at


@splice
def worth_of(pockets, member, price):
    """The worth of a pocket with an open position, its free cash among it."""
    signed = pockets.sides[member] * pockets.quantities[member]
    return marked(pockets.available[member], pockets.fees[member], signed, pockets.fills[member], price)


@splice
def look_at(pockets, instruments):
    """The equity, and the gross and net exposure."""
    equity, gross, net = pockets.idle[0], 0.0, 0.0
    for member in range(instruments.size):
        if pockets.trades[member] == NOBODY:
            equity += pockets.available[member]
            continue
        price = pockets.prices[instruments[member]]
        equity += worth_of(pockets, member, price)
        value = pockets.quantities[member] * price
        gross += value
        net += pockets.sides[member] * value
    return equity, gross, net


@splice
def rebalance(pockets, instruments, shares):
    """Move cash towards these shares; returns the equity, and how much moved."""
    equity = look_at(pockets, instruments)[0]
    cash, needs = pockets.idle[0], 0.0
    wanted = np.empty(shares.size)
    for member in range(shares.size):
        worth, free = 0.0, pockets.available[member]
        if pockets.trades[member] != NOBODY:
            free = pockets.free[member]
            worth = worth_of(pockets, member, pockets.prices[instruments[member]]) - free
        cash += free
        wanted[member] = max(0.0, shares[member] * equity - worth)
        needs += wanted[member]
    scale = 1.0 if needs <= cash else max(0.0, cash) / needs
    moved, left = 0.0, cash
    for member in range(shares.size):
        given = wanted[member] * scale
        given = given if given >= ROUNDING * equity else 0.0
        left -= given
        if pockets.trades[member] == NOBODY:
            moved += abs(given - pockets.available[member])
            pockets.available[member] = given
        else:
            moved += abs(given - pockets.free[member])
            pockets.available[member] += given - pockets.free[member]
            pockets.free[member] = given
    moved += abs(left - pockets.idle[0])
    pockets.idle[0] = left
    return equity, moved / 2.0
