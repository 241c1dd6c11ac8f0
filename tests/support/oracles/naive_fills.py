"""Trading under any policy of fills, minute by minute in plain Python, from the rules of trading.

It goes along the clock: the open of a bar, its minutes, its close. It shares no code with the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from tests.support.oracles.oracle import Account, Position, Rules, Run, Trade


@dataclass(frozen=True)
class Minute:
    open: float
    high: float
    low: float


@dataclass(frozen=True)
class Bar:
    open: float
    close: float
    minutes: Sequence[Minute]


@dataclass(frozen=True)
class Policy:
    entry: str = "close"
    stops: str = "close"
    tie: str = "stop_first"


@dataclass(frozen=True)
class Exits:
    """The ends of a position besides its signal and the levels of `Rules`; None for nothing."""

    sl_atr: float | None = None
    trail_pct: float | None = None
    max_bars: float | None = None
    tp_atr: float | None = None
    atr: Sequence[float] = ()
    """The average true range at each bar."""
    volatility: Sequence[float] = ()
    """The volatility of a day, as it is known at each bar."""


@dataclass
class Clock:
    """An account on its way along the bars."""

    rules: Rules
    policy: Policy
    account: Account
    exits: Exits = Exits()
    run: Run = field(default_factory=Run)
    position: Position | None = None
    signal_bar: int = 0
    """The bar whose signal opened the position."""
    best: float = 0.0
    """The best price since the position's fill, and that fill among them."""
    ties: int = 0
    exits_at_open: bool = False
    enters_at_open: int = 0
    """The side of the position to open; 0 for none."""

    def pass_open(self, bar: int, passed: Bar) -> None:
        """Fill what waits for the open, then look at levels in each minute."""
        if self.exits_at_open:
            self.leave(bar, passed.open, "signal")
        if self.enters_at_open and not self.account.ruined:
            self.enter(self.enters_at_open, bar, passed.open, bar - 1)
        self.exits_at_open, self.enters_at_open = False, 0
        if self.policy.stops == "intrabar":
            for minute in passed.minutes:
                if self.position is not None:
                    self.pass_minute(bar, minute)

    def pass_close(self, bar: int, price: float, signal: int, end: str | None) -> None:
        """Close the position at a level, by its signal, or because the bars end here."""
        reason = self.reason_at_close(bar, price)
        if reason is not None:
            self.leave(bar, price, reason)
        if self.position is None:
            return
        if self.policy.stops == "close":
            self.see(price)
        side, waits = self.position.side, self.policy.entry == "next_open"
        gone = signal == -side if self.rules.exit_on == "opposite" else signal != side
        if gone and waits and end is None:
            self.exits_at_open = True
        elif gone and not waits:
            self.leave(bar, price, "signal")
        elif end is not None:
            self.leave(bar, price, end)

    def ask_to_enter(self, bar: int, price: float, side: int) -> None:
        known = [one[bar] for one in (self.exits.atr, self.exits.volatility) if one]
        if self.account.ruined or any(map(math.isnan, known)):
            return
        if self.policy.entry == "next_open" and (self.position is None or self.exits_at_open):
            self.enters_at_open = side
        elif self.policy.entry == "close" and self.position is None:
            self.enter(side, bar, price, bar)

    def marked(self, price: float) -> float:
        position, equity = self.position, self.account.equity
        if position is None:
            return equity
        return equity - position.fee + position.side * position.quantity * (price - position.fill)

    def enter(self, side: int, bar: int, price: float, signal_bar: int) -> None:
        fee_rate, slip = self.rules.fee_pct / 100, self.rules.slippage_pct / 100
        fill = price * (1 + slip) if side == 1 else price * (1 - slip)
        notional, left = self.account.available / (1 + fee_rate), 0.0
        if self.rules.sizing == "fixed_quote" and self.rules.fixed_quote < notional:
            notional = self.rules.fixed_quote
            left = self.account.available - notional - fee_rate * notional
        if self.rules.sizing in ("risk_per_trade", "volatility_target"):
            notional, left = self.measured(side, fill, signal_bar)
        self.position = Position(side, bar, fill, notional / fill, notional, fee_rate * notional, left)
        self.signal_bar, self.best = signal_bar, fill

    def measured(self, side: int, fill: float, signal_bar: int) -> tuple[float, float]:
        """The notional that risks a part of what is available, and what the entry leaves."""
        available, fee_rate = self.account.available, self.rules.fee_pct / 100
        wanted = self.rules.part_pct / 100 * available
        if self.rules.sizing == "risk_per_trade":
            stop = max(0.0, self.nearest_stop(side, fill, signal_bar))
            stopped = stop * (1 - side * self.rules.slippage_pct / 100)
            lost = side * (fill - stopped) + fee_rate * fill + fee_rate * stopped
            notional = wanted / (lost / fill) if lost else math.inf
        else:
            moves = self.exits.volatility[signal_bar]
            notional = wanted / moves if moves else math.inf
        most = self.rules.max_leverage
        notional = min(notional, available * most / (1 + fee_rate * most))
        return notional, available - notional - fee_rate * notional

    def nearest_stop(self, side: int, fill: float, signal_bar: int) -> float:
        stops = []
        if self.rules.sl_pct is not None:
            stops.append(fill * (1 - side * self.rules.sl_pct / 100))
        if self.exits.sl_atr is not None:
            stops.append(fill - side * self.exits.sl_atr * self.exits.atr[signal_bar])
        return max(stops) if side == 1 else min(stops)

    def leave(self, bar: int, price: float, reason: str) -> None:
        position, account = self.position, self.account
        assert position is not None
        slip = self.rules.slippage_pct / 100
        fill = price * (1 - slip) if position.side == 1 else price * (1 + slip)
        if reason == "take_profit" and self.policy.stops == "intrabar":
            fill = price
        exit_fee = self.rules.fee_pct / 100 * position.quantity * fill
        profit = position.side * position.quantity * (fill - position.fill) - position.fee - exit_fee
        if reason == "ruin" or account.available + profit <= 0:
            profit, reason, account.ruined = -account.available, "ruin", True
        locked = 0.0
        if self.rules.sizing == "strategy_compound_profit_lock" and profit > 0:
            locked = profit * self.rules.safe_profit_percent / 100
        account.available += profit - locked
        account.reserve += locked
        self.run.trades.append(
            Trade(
                position.bar,
                bar,
                position.side,
                position.fill,
                fill,
                position.quantity,
                position.notional,
                position.fee,
                position.fee + exit_fee,
                profit,
                profit / position.notional * 100,
                account.equity,
                reason,
            )
        )
        self.position = None

    def see(self, *prices: float) -> None:
        """Remember the best price."""
        position = self.position
        if position is not None:
            self.best = max(self.best, *prices) if position.side == 1 else min(self.best, *prices)

    def levels(self) -> Iterator[tuple[str, float, bool]]:
        """The reason of each level, its price, and whether it lies above."""
        position, exits = self.position, self.exits
        assert position is not None
        side, fill = position.side, position.fill
        atr = exits.atr[self.signal_bar] if exits.atr else math.nan
        losses = [
            *([] if self.rules.sl_pct is None else [fill * (1 - side * self.rules.sl_pct / 100)]),
            *([] if exits.sl_atr is None else [fill - side * (exits.sl_atr * atr)]),
        ]
        profits = [
            *([] if self.rules.tp_pct is None else [fill * (1 + side * self.rules.tp_pct / 100)]),
            *([] if exits.tp_atr is None else [fill + side * (exits.tp_atr * atr)]),
        ]
        nearest = (max, min) if side == 1 else (min, max)
        if losses:
            yield "stop_loss", nearest[0](losses), side == -1
        if exits.trail_pct is not None:
            yield "trailing_stop", self.best * (1 - side * exits.trail_pct / 100), side == -1
        if profits:
            yield "take_profit", nearest[1](profits), side == 1

    def pass_minute(self, bar: int, minute: Minute) -> None:
        """Look at all levels in one minute of a bar."""
        touched = {}
        for kind, level, is_above in self.levels():
            if is_above and minute.high >= level:
                touched[kind] = max(level, minute.open)
            if not is_above and minute.low <= level:
                touched[kind] = min(level, minute.open)
        self.ties += "take_profit" in touched and len(touched) > 1
        order = ["stop_loss", "trailing_stop"]
        order.insert(2 if self.policy.tie == "stop_first" else 0, "take_profit")
        for kind in order:
            if kind in touched:
                self.leave(bar, touched[kind], kind)
                return
        self.see(minute.high, minute.low)

    def reason_at_close(self, bar: int, price: float) -> str | None:
        """The reason that a close ends the position for, without its signal."""
        position = self.position
        if position is None:
            return None
        ruin = position.fill * (2 + position.cash_left / position.notional)
        if position.side == -1 and price >= ruin:
            return "ruin"
        if self.policy.stops == "close":
            for kind, level, is_above in self.levels():
                if price >= level if is_above else price <= level:
                    return kind
        if self.exits.max_bars is not None and bar >= self.signal_bar + self.exits.max_bars:
            return "time"
        return None


def trade(
    signals: Sequence[int],
    bars: Sequence[Bar],
    rules: Rules,
    policy: Policy,
    gaps: Collection[int] = (),
    exits: Exits = Exits(),
) -> Clock:
    """Trade one final signal a bar: 1, -1 or 0."""
    compounds_a_part = rules.sizing.startswith("strategy_compound") and rules.budget_quote is not None
    budget = rules.budget_quote if compounds_a_part else rules.init_cash_quote
    clock = Clock(rules, policy, Account(budget, rules.init_cash_quote - budget), exits)
    before, last = 0, len(bars) - 1
    for t, bar in enumerate(bars):
        clock.pass_open(t, bar)
        signal, ends = signals[t], t == last or t in gaps
        clock.pass_close(t, bar.close, signal, "last_bar" if t == last else "gap" if ends else None)
        is_long_or_short = "long-only" if signal == 1 else "short-only"
        if signal not in (0, before) and rules.direction in ("long-short", is_long_or_short) and not ends:
            clock.ask_to_enter(t, bar.close, signal)
        before = signal
        clock.run.equity.append(clock.marked(bar.close))
    clock.run.total_return_pct = (clock.account.equity / rules.init_cash_quote - 1) * 100
    return clock
