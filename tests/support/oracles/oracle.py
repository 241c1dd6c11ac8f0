"""The oracle: a per-bar simulator and its report in plain Python, from the rules of trading.

It looks at every bar, one after the other, and shares no code with the kernels. It decides every disagreement.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

DAY_MS = 86_400_000
ROUNDING = 1e-12


@dataclass(frozen=True)
class Rules:
    direction: str = "long-short"
    exit_on: str = "opposite"
    fee_pct: float = 0.0
    slippage_pct: float = 0.0
    init_cash_quote: float = 10_000.0
    sizing: str = "all_in"
    fixed_quote: float | None = None
    budget_quote: float | None = None
    safe_profit_percent: float = 0.0
    sl_pct: float | None = None
    tp_pct: float | None = None
    part_pct: float = 0.0
    """The part that the stop-loss of a `risk_per_trade` loses, or that a `volatility_target` moves in a day."""
    max_leverage: float = 1.0


@dataclass(frozen=True)
class Pruning:
    max_drawdown_pct: float | None = None
    window_trades: int | None = None
    window_days: float | None = None
    min_trades: int | None = None
    max_trades: int | None = None
    max_trade_duration_bars: int | None = None


@dataclass(frozen=True)
class Position:
    side: int
    bar: int
    fill: float
    quantity: float
    notional: float
    fee: float
    cash_left: float


@dataclass(frozen=True)
class Trade:
    entry_bar: int
    exit_bar: int
    side: int
    entry_fill: float
    exit_fill: float
    quantity: float
    entry_notional_quote: float
    entry_fee_quote: float
    fees_quote: float
    pnl_quote: float
    return_pct: float
    equity_quote: float
    exit_reason: str


@dataclass
class Account:
    """The money that the strategy may use, and that it may not: cash outside its budget, and locked profits."""

    available: float
    reserve: float
    ruined: bool = False

    @property
    def equity(self) -> float:
        return self.available + self.reserve


@dataclass
class Run:
    trades: list[Trade] = field(default_factory=list)
    conflicts: int = 0
    equity: list[float] = field(default_factory=list)
    position_value: list[float] = field(default_factory=list)
    total_return_pct: float = 0.0


def simulate(
    longs: Sequence[Sequence[bool]],
    shorts: Sequence[Sequence[bool]],
    close: Sequence[float],
    rules: Rules,
    exits: Mapping[int, Sequence[bool]] | None = None,
    gaps: Collection[int] = (),
) -> Run:
    """Trade the AND of the indicators' signals: `longs[i][t]` and `shorts[i][t]` for indicator i at bar t.

    Args:
        exits: by side, 1 and -1, the bars that close its position and let none open; a side that is not there
            exits by the rules.
        gaps: the bars after which time is missing; nothing is held from them to the next.
    """
    exits = exits or {}
    run = Run()
    account = _open_account(rules)
    position: Position | None = None
    before = 0
    last = len(close) - 1
    for t, price in enumerate(close):
        final, conflicting = _final_signal(longs, shorts, t)
        run.conflicts += conflicting
        if position is not None:
            own = exits[position.side][t] if position.side in exits else None
            reason = _exit_reason(position, final, price, t == last, rules, own) or ("gap" if t in gaps else None)
            if reason is not None:
                run.trades.append(_settle(account, position, t, price, reason, rules))
                position = None
        fresh = final != 0 and final != before and _allowed(final, rules.direction)
        blocked = t in gaps or (final in exits and exits[final][t])
        if position is None and fresh and not blocked and t != last and not account.ruined:
            position = _enter(account, final, t, price, rules)
        before = final
        run.equity.append(_marked_equity(account, position, price))
        run.position_value.append(0.0 if position is None else position.quantity * price)
    run.total_return_pct = (account.equity / rules.init_cash_quote - 1) * 100
    return run


def _open_account(rules: Rules) -> Account:
    compounds_a_part = rules.sizing.startswith("strategy_compound") and rules.budget_quote is not None
    budget = rules.budget_quote if compounds_a_part else rules.init_cash_quote
    return Account(available=budget, reserve=rules.init_cash_quote - budget)


def _final_signal(longs, shorts, t: int) -> tuple[int, bool]:
    all_long = all(signal[t] for signal in longs)
    all_short = all(signal[t] for signal in shorts)
    if all_long and all_short:
        return 0, True
    return (1 if all_long else -1 if all_short else 0), False


def _allowed(side: int, direction: str) -> bool:
    return direction == "long-short" or direction == ("long-only" if side == 1 else "short-only")


def _exit_reason(
    position: Position, final: int, price: float, is_last: bool, rules: Rules, own: bool | None = None
) -> str | None:
    if position.side == -1 and price >= _ruin_price(position):
        return "ruin"
    if _hit(position, price, rules.sl_pct, -position.side):
        return "stop_loss"
    if _hit(position, price, rules.tp_pct, position.side):
        return "take_profit"
    gone = final == -position.side if rules.exit_on == "opposite" else final != position.side
    if gone if own is None else own:
        return "signal"
    return "last_bar" if is_last else None


def _hit(position: Position, price: float, pct: float | None, towards: int) -> bool:
    """Return True where the price has moved that many percent of the entry fill, up (+1) or down (-1)."""
    if pct is None:
        return False
    level = position.fill * (1 + towards * pct / 100)
    return price >= level if towards == 1 else price <= level


def _ruin_price(position: Position) -> float:
    """Return True where buying back takes the proceeds, the margin of the same amount and all cash."""
    return position.fill * (2 + position.cash_left / position.notional)


def _enter(account: Account, side: int, t: int, price: float, rules: Rules) -> Position:
    fee_rate, slip = rules.fee_pct / 100, rules.slippage_pct / 100
    fill = price * (1 + slip) if side == 1 else price * (1 - slip)
    notional, cash_left = account.available / (1 + fee_rate), 0.0
    if rules.sizing == "fixed_quote" and rules.fixed_quote < notional:
        notional = rules.fixed_quote
        cash_left = account.available - notional - fee_rate * notional
    return Position(side, t, fill, notional / fill, notional, fee_rate * notional, cash_left)


def _settle(account: Account, position: Position, t: int, price: float, reason: str, rules: Rules) -> Trade:
    fee_rate, slip = rules.fee_pct / 100, rules.slippage_pct / 100
    fill = price * (1 - slip) if position.side == 1 else price * (1 + slip)
    exit_fee = fee_rate * position.quantity * fill
    profit = position.side * position.quantity * (fill - position.fill) - position.fee - exit_fee
    if reason == "ruin" or account.available + profit <= 0:
        profit, reason, account.ruined = -account.available, "ruin", True
    locked = 0.0
    if rules.sizing == "strategy_compound_profit_lock" and profit > 0:
        locked = profit * rules.safe_profit_percent / 100
    account.available += profit - locked
    account.reserve += locked
    return Trade(
        entry_bar=position.bar,
        exit_bar=t,
        side=position.side,
        entry_fill=position.fill,
        exit_fill=fill,
        quantity=position.quantity,
        entry_notional_quote=position.notional,
        entry_fee_quote=position.fee,
        fees_quote=position.fee + exit_fee,
        pnl_quote=profit,
        return_pct=profit / position.notional * 100,
        equity_quote=account.equity,
        exit_reason=reason,
    )


def _marked_equity(account: Account, position: Position | None, price: float) -> float:
    if position is None:
        return account.equity
    return account.equity - position.fee + position.side * position.quantity * (price - position.fill)


def pruned_by(run: Run, ts_open_ms: Sequence[int], bar_ms: int, init_cash: float, limits: Pruning) -> str | None:
    """The limit that a whole run breaks first, told bar by bar from its trades and its equity."""
    peak = high = init_cash
    high_time, closed_at_high = ts_open_ms[0], 0
    for t, equity in enumerate(run.equity):
        if _exceeds(_longest_at(run.trades, t), limits.max_trade_duration_bars):
            return "max_trade_duration_bars"
        if _exceeds(sum(trade.entry_bar <= t for trade in run.trades), limits.max_trades):
            return "max_trades"
        peak = max(peak, equity)
        if _exceeds((peak - equity) / peak * 100, limits.max_drawdown_pct):
            return "max_drawdown_pct"
        closed = sum(trade.exit_bar <= t for trade in run.trades)
        now = ts_open_ms[t] + bar_ms
        if equity > high * (1 + ROUNDING):
            high, high_time, closed_at_high = equity, now, closed
        elif _reaches((now - high_time) / DAY_MS, limits.window_days) or _reaches(
            closed - closed_at_high, limits.window_trades
        ):
            return "loss_window"
    return "min_trades" if limits.min_trades is not None and len(run.trades) < limits.min_trades else None


def _longest_at(trades: Sequence[Trade], t: int) -> int:
    """The age in bars of the trade that is open before the close of bar t."""
    return max((t - trade.entry_bar for trade in trades if trade.entry_bar < t <= trade.exit_bar), default=0)


def _reaches(value: float, limit: float | None) -> bool:
    return limit is not None and value >= limit


def _exceeds(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def report(
    run: Run, close: Sequence[float], ts_open_ms: Sequence[int], bar_ms: int, init_cash: float
) -> dict[str, float | int | None]:
    """The metrics of the report from the bars of a run."""
    ends = [ts + bar_ms for ts in ts_open_ms]
    points = [(ts_open_ms[0], init_cash), *zip(ends, run.equity, strict=True)]
    total = run.equity[-1] / init_cash - 1
    drawdowns = _drawdowns(points)
    return {
        "Start": ts_open_ms[0],
        "End": ends[-1],
        "Duration": ends[-1] - ts_open_ms[0],
        "Init. Cash": init_cash,
        "Total Profit": run.equity[-1] - init_cash,
        "Total Return [%]": total * 100,
        "Benchmark Return [%]": (close[-1] / close[0] - 1) * 100,
        "Position Coverage [%]": sum(value > 0 for value in run.position_value) / len(close) * 100,
        **drawdowns,
        **_trade_metrics(run.trades, ends, init_cash),
        "Gross Exposure": sum(v / e if v else 0.0 for v, e in zip(run.position_value, run.equity, strict=True))
        / len(close),
        **_daily_ratios(run.equity, ts_open_ms, init_cash),
        "Calmar Ratio": _calmar(total, (ends[-1] - ts_open_ms[0]) / DAY_MS, drawdowns["Max. Drawdown [%]"] / 100),
    }


def _drawdowns(points: Sequence[tuple[int, float]]) -> dict[str, float | int | None]:
    """Episodes as (depth, duration): from the last point at the peak's height to the recovery or the end."""
    episodes: list[tuple[float, int]] = []
    peak_time, peak = points[0]
    below: list[float] = []
    for time, equity in points:
        if equity < peak - ROUNDING * peak:
            below.append(equity)
            continue
        if below:
            episodes.append(((peak - min(below)) / peak, time - peak_time))
        below = []
        peak_time, peak = time, max(peak, equity)
    if below:
        episodes.append(((peak - min(below)) / peak, points[-1][0] - peak_time))
    depths, times = [depth for depth, _ in episodes], [time for _, time in episodes]
    return {
        "Max. Drawdown [%]": max(depths, default=0.0) * 100,
        "Avg. Drawdown [%]": _mean(depths, 100),
        "Max. Drawdown Duration": max(times, default=None),
        "Avg. Drawdown Duration": round(sum(times) / len(times)) if times else None,
    }


def _trade_metrics(
    trades: Sequence[Trade], ends: Sequence[int], init_cash: float
) -> dict[str, float | int | None]:
    profits = [trade.pnl_quote for trade in trades]
    returns = [trade.pnl_quote / trade.entry_notional_quote * 100 for trade in trades]
    times = [ends[trade.exit_bar] - ends[trade.entry_bar] for trade in trades]
    spread = _sample_deviation(profits)
    has_spread = spread is not None and spread > ROUNDING * init_cash
    return {
        "Num. Trades": len(trades),
        "Win Rate [%]": _mean([float(profit > 0) for profit in profits], 100),
        "Best Trade [%]": max(returns, default=None),
        "Worst Trade [%]": min(returns, default=None),
        "Avg. Trade [%]": _mean(returns),
        "Max. Trade Duration": max(times, default=None),
        "Avg. Trade Duration": round(sum(times) / len(times)) if times else None,
        "Expectancy": _mean(profits),
        "SQN": math.sqrt(len(profits)) * _mean(profits) / spread if has_spread else None,
    }


def _daily_ratios(equity: Sequence[float], ts_open_ms: Sequence[int], init_cash: float) -> dict[str, float | None]:
    day_ends: dict[int, float] = {}
    for ts, value in zip(ts_open_ms, equity, strict=True):
        day_ends[ts // DAY_MS] = value
    values = [init_cash, *day_ends.values()]
    returns = [now / before - 1 if before > 0 else 0.0 for before, now in pairwise(values)]
    spread = _sample_deviation(returns)
    downside = math.sqrt(sum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    has_spread = spread is not None and spread > ROUNDING
    return {
        "Sharpe Ratio": _mean(returns) / spread * math.sqrt(365) if has_spread else None,
        "Sortino Ratio": _mean(returns) / downside * math.sqrt(365) if downside > ROUNDING else None,
    }


def _calmar(total: float, days: float, max_drawdown: float) -> float | None:
    if max_drawdown == 0:
        return None
    try:
        calmar = ((1 + total) ** (365 / days) - 1) / max_drawdown
    except OverflowError:
        return None
    return calmar if math.isfinite(calmar) else None


def _mean(values: Sequence[float], scale: float = 1.0) -> float | None:
    return sum(values) / len(values) * scale if values else None


def _sample_deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
