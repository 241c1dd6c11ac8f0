"""Portfolios drawn at random, as the kernel takes them and as the slow simulator does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kernels.portfolio.ledger import DRAWDOWN, REASONS, Ledger
from kernels.portfolio.plans import (
    ENTRIES,
    EXITS,
    NO_LIMIT,
    REBALANCES,
    Funds,
    Limits,
    Market,
    Members,
    Plan,
    event_keys,
)
from kernels.portfolio.walk import walk
from kernels.simulation.exits import EXIT_RUIN, EXIT_SIGNAL
from tests.support.oracles.naive_portfolio import DAY_MS, Instant, NaiveMember, NaivePortfolio, NaiveTrade

STEP_MS = 3_600_000
CASH = 10_000.0


class Drawn(NamedTuple):
    naive: NaivePortfolio
    bars: int


def drawn_portfolio(seed: int) -> Drawn:
    """Draw instruments, members with trades that may share their instants, shares and limits."""
    random = np.random.default_rng(seed)
    bars, instruments = int(random.integers(30, 120)), int(random.integers(1, 4))
    volatility = float(random.choice([0.01, 0.05]))
    closes = [
        [
            ((bar + 1) * STEP_MS, float(price))
            for bar, price in enumerate(100.0 * np.exp(np.cumsum(random.normal(0.0, volatility, bars))))
            # Holes, and another beginning for each.
            if bar == 0 or bar == bars - 1 or random.random() < 0.9
        ]
        for _ in range(instruments)
    ]
    marks = sorted({time for series in closes for time, _ in series})
    members = [_member(random, closes) for _ in range(int(random.integers(1, 7)))]
    # Midnights, some of which are no marks.
    times = [day * DAY_MS for day in range(1, bars * STEP_MS // DAY_MS) if random.random() < 0.7]
    rows = [_shares(random, len(members)) for _ in range(1 + len(times))]
    return Drawn(NaivePortfolio(members, closes, marks, CASH, rows, times, _limits(random)), bars)


def _shares(random: np.random.Generator, members: int) -> list[float]:
    parts = random.random(members + 1) if random.random() < 0.5 else np.append(np.ones(members), 0.0)
    shares: list[float] = (parts / parts.sum())[:members].tolist()
    return shares


def _limits(random: np.random.Generator) -> dict[str, Any]:
    drawn = {
        "max_gross_exposure": float(random.uniform(0.1, 1.0)),
        "max_net_exposure": float(random.uniform(0.05, 0.8)),
        "max_positions": int(random.integers(1, 4)),
        "max_per_instrument": int(random.integers(1, 3)),
        "daily_loss_limit_pct": float(random.uniform(0.2, 4.0)),
        "max_drawdown_pct": float(random.uniform(1.0, 30.0)),
    }
    return {name: value if random.random() < 0.35 else None for name, value in drawn.items()}


def _member(random: np.random.Generator, closes: list[list[tuple[int, float]]]) -> NaiveMember:
    instrument = int(random.integers(len(closes)))
    series = closes[instrument]
    waits = random.random() < 0.3
    trades, at = [], 0
    slippage = float(random.choice([0.0, 0.001]))
    while True:
        begin = at + int(random.integers(0, 4))
        end = begin + int(random.integers(1, 8))
        if end >= len(series) - int(waits):
            break
        side = int(random.choice([-1, 1]))
        entry: Instant = (series[begin][0], int(waits))
        left: Instant = (series[end][0], int(waits and random.random() < 0.7))
        entry_fill = series[begin][1] * (1 + side * slippage) * (1 + random.normal(0, 0.001) * waits)
        exit_fill = series[end][1] * (1 - side * slippage) * float(random.choice([1.0, 1.0, 1.0, 0.4, 1.9]))
        if left[1] == 0 and random.random() < 0.2:
            # A level that was touched in a minute within the bar.
            left = (left[0] - int(random.integers(1, 50)) * 60_000, 0)
        is_ruin = side < 0 and random.random() < 0.05
        trades.append(NaiveTrade(entry, left, side, float(entry_fill), float(exit_fill), is_ruin))
        at = end if left[1] <= int(waits) else end + 1
    if random.random() < 0.3:
        for trade in trades:
            trade.share = float(random.uniform(0.01, 1.3))
    fixed = float(random.uniform(100, 4000)) if random.random() < 0.3 else None
    return NaiveMember(trades, instrument, float(random.choice([0.0, 0.001])), slippage, fixed)


def ledger_of(drawn: NaivePortfolio) -> Ledger:
    """Walk the same portfolio by the kernel; call it before the slow one has run."""
    trades = [trade for member in drawn.members for trade in member.trades]
    sizes = [len(member.trades) for member in drawn.members]
    plan = Plan(
        np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        np.array([trade.side for trade in trades], np.float64),
        np.array([trade.entry_fill for trade in trades], np.float64),
        np.array([trade.exit_fill for trade in trades], np.float64),
        np.array([EXIT_RUIN if trade.is_ruin else EXIT_SIGNAL for trade in trades], np.int64),
        np.array([float("inf") if trade.share is None else trade.share for trade in trades]),
    )
    fixed = [float("inf") if one.fixed is None else one.fixed for one in drawn.members]
    members = Members(
        np.array([one.fee for one in drawn.members]),
        np.array([one.slippage for one in drawn.members]),
        np.array(fixed),
        np.array([one.instrument for one in drawn.members], np.int64),
    )
    marks = np.array(drawn.marks, np.int64)
    days = (marks - 1) // DAY_MS
    market = Market(
        np.concatenate(([0], np.cumsum([len(series) for series in drawn.closes]))).astype(np.int64),
        np.array([time for series in drawn.closes for time, _ in series], np.int64),
        np.array([close for series in drawn.closes for _, close in series]),
        marks,
        np.append(np.flatnonzero(days[1:] != days[:-1]), days.size - 1),
    )
    funds = Funds(drawn.cash, np.array(drawn.shares))
    return walk(plan, members, market, _kernel_limits(drawn.limits), funds, _events(drawn))


def _kernel_limits(limits: dict[str, Any]) -> Limits:
    none = float("inf")
    return Limits(
        none if limits["max_gross_exposure"] is None else limits["max_gross_exposure"],
        none if limits["max_net_exposure"] is None else limits["max_net_exposure"],
        NO_LIMIT if limits["max_positions"] is None else limits["max_positions"],
        NO_LIMIT if limits["max_per_instrument"] is None else limits["max_per_instrument"],
        none if limits["daily_loss_limit_pct"] is None else limits["daily_loss_limit_pct"] / 100.0,
        none if limits["max_drawdown_pct"] is None else limits["max_drawdown_pct"] / 100.0,
    )


def _events(drawn: NaivePortfolio) -> np.ndarray:
    keys = [event_keys(np.array(drawn.rebalances, np.int64), 0, REBALANCES, 0)]
    for at, member in enumerate(drawn.members):
        for kind, instants in (
            (EXITS, [trade.exit for trade in member.trades]),
            (ENTRIES, [trade.entry for trade in member.trades]),
        ):
            times = np.array([time for time, _ in instants], np.int64)
            phases = np.array([phase for _, phase in instants], np.int64)
            keys.append(event_keys(times, phases, kind, at))
    return np.sort(np.concatenate(keys))


def differences(ledger: Ledger, naive: NaivePortfolio) -> list[str]:
    """Return what differs by more than 1e-12 of the cash, in words."""
    deals = ledger.deals[: int(ledger.counts[0])]
    numbers = {
        "equity": (ledger.equity, naive.equity),
        "gross": (ledger.gross, naive.gross),
        "net": (ledger.net, naive.net),
        "moved": (ledger.moved_quote, naive.moved),
        "profits": (deals["pnl_quote"], [profit for _, _, profit in naive.profits]),
        "days": (ledger.day_profits.ravel(), np.array(naive.day_profits).ravel()),
    }
    counts = {
        "held": (ledger.held_marks.tolist(), [one.held for one in naive.members]),
        "members": (deals["member"].tolist(), [at for at, _, _ in naive.profits]),
        "exits": (deals["exit_ms"].tolist(), [time for _, time, _ in naive.profits]),
        "refused": (_named(ledger.refused), [one.refused for one in naive.members]),
        "shrunk": (_named(ledger.shrunk), [one.shrunk for one in naive.members]),
        "halts": (_halts(ledger, naive.marks), naive.halts),
    }
    return [
        f"{name}: {ours} and {theirs}"
        for name, (ours, theirs) in numbers.items()
        if len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=1e-12, atol=1e-12 * naive.cash)
    ] + [f"{name}: {ours} and {theirs}" for name, (ours, theirs) in counts.items() if ours != theirs]


def _named(rows: np.ndarray) -> list[dict[str, int]]:
    return [{name: count for name, count in zip(REASONS, row, strict=True) if count} for row in rows.tolist()]


def _halts(ledger: Ledger, marks: list[int]) -> list[tuple[int, str]]:
    named = {DRAWDOWN: "max_drawdown"}
    rows = ledger.halts[: int(ledger.counts[1])].tolist()
    return [(marks[mark], named.get(limit, "daily_loss_limit")) for mark, limit in rows]
