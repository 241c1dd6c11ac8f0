"""A slow simulator of portfolios, written from `docs/explanation/portfolio.md`; no code is the kernels'.

One instant after the other, every sum made anew, every price looked up from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DAY_MS = 86_400_000

Instant = tuple[int, int]
"""A time, and 0 for a close or 1 for an open."""


@dataclass
class NaiveTrade:
    entry: Instant
    exit: Instant
    side: int
    entry_fill: float
    exit_fill: float
    is_ruin: bool = False
    share: float | None = None
    """The notional as a share of what is available; None where the sizing does not measure risk."""


@dataclass
class NaiveMember:
    trades: list[NaiveTrade]
    instrument: int
    fee: float
    slippage: float
    fixed: float | None = None
    available: float = 0.0
    free: float = 0.0
    opened: NaiveTrade | None = None
    notional: float = 0.0
    quantity: float = 0.0
    entry_fee: float = 0.0
    profit: float = 0.0
    held: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    shrunk: dict[str, int] = field(default_factory=dict)

    @property
    def cash(self) -> float:
        return self.available if self.opened is None else self.free

    def open_profit(self, price: float) -> float:
        if self.opened is None:
            return 0.0
        return self.opened.side * self.quantity * (price - self.opened.entry_fill) - self.entry_fee

    def worth(self, price: float) -> float:
        return 0.0 if self.opened is None else self.available - self.free + self.open_profit(price)


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


@dataclass
class NaivePortfolio:
    members: list[NaiveMember]
    closes: list[list[tuple[int, float]]]
    """The finest closes of each instrument with their times."""
    marks: list[int]
    cash: float
    shares: list[list[float]]
    """Shares at the start, then at each rebalance."""
    rebalances: list[int]
    limits: dict[str, Any]
    equity: list[float] = field(default_factory=list)
    gross: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)
    day_profits: list[list[float]] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    halts: list[tuple[int, str]] = field(default_factory=list)
    profits: list[tuple[int, int, float]] = field(default_factory=list)
    """Member, time and profit of each closed trade."""

    def run(self) -> None:
        self.idle = self.cash
        for member, share in zip(self.members, self.shares[0], strict=True):
            member.available = share * self.cash
            self.idle -= member.available
        self.over, self.halted_until = False, 0
        instants = {(mark, 0) for mark in self.marks} | {(time, 0) for time in self.rebalances}
        for member in self.members:
            instants |= {trade.entry for trade in member.trades} | {trade.exit for trade in member.trades}
        for instant in sorted(instants):
            self._one(instant)

    def _one(self, instant: Instant) -> None:
        now, phase = instant
        for at, member in enumerate(self.members):
            if member.opened is not None and member.opened.exit == instant:
                self._leave(at, now, member.opened.exit_fill, member.opened.is_ruin)
        if phase == 0 and now in self.rebalances:
            self._rebalance(now, self.shares[1 + self.rebalances.index(now)])
        for member in self.members:
            for trade in member.trades:
                if trade.entry == instant:
                    self._enter(member, trade, now)
        if phase == 0 and now in self.marks:
            self._mark(now)

    def _price(self, member: NaiveMember, now: int) -> float:
        price = float("nan")
        for time, close in self.closes[member.instrument]:
            if time > now:
                break
            price = close
        return price

    def _equity(self, now: int) -> float:
        total = self.idle
        for member in self.members:
            total += member.cash + (0.0 if member.opened is None else member.worth(self._price(member, now)))
        return total

    def _exposures(self, now: int) -> tuple[float, float]:
        values = [
            (member.opened.side, member.quantity * self._price(member, now))
            for member in self.members
            if member.opened is not None
        ]
        return sum(value for _, value in values), sum(side * value for side, value in values)

    def _leave(self, at: int, now: int, fill: float, is_ruin: bool) -> None:
        member = self.members[at]
        assert member.opened is not None
        exit_fee = member.fee * member.quantity * fill
        side, entry = member.opened.side, member.opened.entry_fill
        profit = side * member.quantity * (fill - entry) - member.entry_fee - exit_fee
        bound = member.available - member.free
        if is_ruin or bound + profit <= 0.0:
            profit = -bound
        member.available += profit
        member.profit += profit
        member.opened = None
        self.profits.append((at, now, profit))

    def _refusal(self, member: NaiveMember, now: int) -> str | None:
        limits = self.limits
        others = [one for one in self.members if one.opened is not None]
        if not member.available > 0.0:
            return "no_cash"
        if self.over:
            return "max_drawdown"
        if now < self.halted_until:
            return "daily_loss_limit"
        if limits.get("max_positions") is not None and len(others) >= limits["max_positions"]:
            return "max_positions"
        same = [one for one in others if one.instrument == member.instrument]
        if limits.get("max_per_instrument") is not None and len(same) >= limits["max_per_instrument"]:
            return "max_per_instrument"
        return None

    def _enter(self, member: NaiveMember, trade: NaiveTrade, now: int) -> None:
        refusal = self._refusal(member, now)
        if refusal is not None:
            return _count(member.refused, refusal)
        whole = member.available / (1.0 + member.fee)
        notional = whole if member.fixed is None else min(member.fixed, whole)
        if trade.share is not None:
            notional = min(notional, member.available * trade.share)
        rooms = []
        equity, (gross, net) = self._equity(now), self._exposures(now)
        if self.limits.get("max_gross_exposure") is not None:
            rooms.append((self.limits["max_gross_exposure"] * equity - gross, "max_gross_exposure"))
        if self.limits.get("max_net_exposure") is not None:
            rooms.append((self.limits["max_net_exposure"] * equity - trade.side * net, "max_net_exposure"))
        # Of equal rooms the gross one counts: it comes first.
        if rooms:
            room, limit = min(rooms, key=lambda one: one[0])
            if room < notional:
                if room < 1e-9 * equity or room <= 0.0:
                    return _count(member.refused, limit)
                _count(member.shrunk, limit)
                notional = room
        member.opened, member.notional = trade, notional
        member.quantity, member.entry_fee = notional / trade.entry_fill, member.fee * notional
        member.free = 0.0 if notional == whole else member.available - notional - member.entry_fee
        return None

    def _rebalance(self, now: int, shares: list[float]) -> None:
        equity = self._equity(now)
        needs = []
        for member, share in zip(self.members, shares, strict=True):
            worth = 0.0 if member.opened is None else member.worth(self._price(member, now))
            needs.append(max(0.0, share * equity - worth))
        cash = self.idle + sum(member.cash for member in self.members)
        scale = 1.0 if sum(needs) <= cash else max(0.0, cash) / sum(needs)
        parts = [need * scale if need * scale >= 1e-12 * equity else 0.0 for need in needs]
        moved = 0.0
        for member, given in zip(self.members, parts, strict=True):
            moved += abs(given - member.cash)
            if member.opened is None:
                member.available = given
            else:
                member.available += given - member.free
                member.free = given
        left = cash - sum(parts)
        self.moved.append((moved + abs(left - self.idle)) / 2.0)
        self.idle = left

    def _mark(self, now: int) -> None:
        equity, limits = self._equity(now), self.limits
        peak, day = max([self.cash, *self.equity]), (now - 1) // DAY_MS
        before = [one for time, one in zip(self.marks, self.equity, strict=False) if (time - 1) // DAY_MS < day]
        midnight = (day + 1) * DAY_MS
        pct, daily = limits.get("max_drawdown_pct"), limits.get("daily_loss_limit_pct")
        if pct is not None and not self.over and equity <= peak * (1.0 - pct / 100.0):
            self.over = True
            self.halts.append((now, "max_drawdown"))
            for at, member in enumerate(self.members):
                if member.opened is not None:
                    price = self._price(member, now) * (1.0 - member.opened.side * member.slippage)
                    self._leave(at, now, price, False)
            equity = self._equity(now)
        elif (
            daily is not None
            and not self.over
            and self.halted_until <= now < midnight
            and equity <= (before or [self.cash])[-1] * (1.0 - daily / 100.0)
        ):
            self.halted_until = midnight
            self.halts.append((now, "daily_loss_limit"))
        self.equity.append(equity)
        gross, net = self._exposures(now)
        self.gross.append(gross)
        self.net.append(net)
        for member in self.members:
            member.held += member.opened is not None
        later = [time for time in self.marks if time > now]
        if not later or (later[0] - 1) // DAY_MS > day:
            self.day_profits.append([one.profit + one.open_profit(self._price(one, now)) for one in self.members])
