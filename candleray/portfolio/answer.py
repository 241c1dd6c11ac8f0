"""A portfolio after its walk as its answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from candleray.backtests.metrics import report
from candleray.backtests.report import table_md
from candleray.candles import FloatArray
from candleray.portfolio.portfolio_request import PortfolioRequest
from candleray.portfolio.portfolio_result import Halt, MemberOutcome, PortfolioDay, PortfolioResult, RebalanceNote
from candleray.portfolio.walking import Walked
from candleray.search.reports import notes_of, notes_on_gaps
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings
from candleray.timeframes import DAY_MS, from_ms, iso
from kernels.portfolio.ledger import DRAWDOWN, REASONS


def answer_of(walked: Walked, defaults: BacktestSettings) -> PortfolioResult:
    metrics = report(walked.performance())
    return PortfolioResult(
        request=walked.request.model_copy(update={"init_cash_quote": walked.init_cash_quote}),
        metrics=metrics,
        table_md=table_md(metrics),
        members=tuple(_members(walked)),
        correlation=correlation_of(_daily_shares(walked)),
        days=tuple(_days(walked)),
        rebalances=tuple(_rebalances(walked)),
        halts=tuple(_halts(walked)),
        notes=tuple(dict.fromkeys(_notes(walked, walked.request, defaults))),
    )


def _members(walked: Walked) -> Iterator[MemberOutcome]:
    ledger, deals = walked.ledger, walked.deals
    trades = np.bincount(deals["member"], minlength=len(walked.members))
    for at, member in enumerate(walked.members):
        profit = float(ledger.day_profits[-1, at])
        yield MemberOutcome(
            name=member.name,
            contribution_quote=profit,
            contribution_pct=profit / walked.init_cash_quote * 100.0,
            trades=int(trades[at]),
            time_share_pct=float(ledger.held_marks[at]) / ledger.equity.size * 100.0,
            refused=_by_reason(ledger.refused[at].tolist()),
            shrunk=_by_reason(ledger.shrunk[at].tolist()),
        )


def _by_reason(counts: list[int]) -> dict[str, int]:
    return {reason: count for reason, count in zip(REASONS, counts, strict=True) if count}


def _daily_shares(walked: Walked) -> FloatArray:
    """Return the members' daily profits as shares of the equity of the day before: `(days, members)`."""
    profits = np.diff(walked.ledger.day_profits, axis=0, prepend=0.0)
    ends = walked.ledger.equity[walked.trading.market().day_ends]
    before = np.concatenate(([walked.init_cash_quote], ends[:-1]))[:, None]
    shares: FloatArray = np.where(before > 0.0, profits / np.where(before > 0.0, before, 1.0), 0.0)
    return shares


def correlation_of(shares: FloatArray) -> tuple[tuple[float | None, ...], ...]:
    """Return the correlations of the columns; None beside one whose values are all the same."""
    apart = shares - shares.mean(axis=0)
    lengths = np.sqrt((apart**2).sum(axis=0))
    moves = np.ptp(shares, axis=0) > 0.0
    products = lengths[:, None] * lengths
    values = np.clip(apart.T @ apart / np.where(products > 0.0, products, 1.0), -1.0, 1.0)
    np.fill_diagonal(values, 1.0)
    known = (moves[:, None] & moves & (products > 0.0)).tolist()
    return tuple(
        tuple(value if there else None for value, there in zip(row, its, strict=True))
        for row, its in zip(values.tolist(), known, strict=True)
    )


def _days(walked: Walked) -> Iterator[PortfolioDay]:
    ledger, marks_ms = walked.ledger, walked.trading.marks_ms
    for mark in walked.trading.market().day_ends.tolist():
        equity = float(ledger.equity[mark])
        divisor = equity if equity > 0.0 else float("inf")
        yield PortfolioDay(
            day=from_ms((int(marks_ms[mark]) - 1) // DAY_MS * DAY_MS).date().isoformat(),
            equity_quote=equity,
            gross_exposure=float(ledger.gross[mark]) / divisor,
            net_exposure=float(ledger.net[mark]) / divisor,
            positions=int(ledger.positions[mark]),
        )


def _rebalances(walked: Walked) -> Iterator[RebalanceNote]:
    ledger, first = walked.ledger, walked.shares[0]
    yield RebalanceNote(
        time=iso(walked.trading.start_ms),
        equity_quote=walked.init_cash_quote,
        moved_quote=float(first.sum()) * walked.init_cash_quote,
        shares=tuple(first.tolist()),
    )
    for at, time_ms in enumerate(walked.rebalances_ms.tolist()):
        yield RebalanceNote(
            time=iso(time_ms),
            equity_quote=float(ledger.rebalance_equity[at]),
            moved_quote=float(ledger.moved_quote[at]),
            shares=tuple(walked.shares[at + 1].tolist()),
        )


def _halts(walked: Walked) -> Iterator[Halt]:
    ledger, marks_ms = walked.ledger, walked.trading.marks_ms
    for mark, limit in ledger.halts[: int(ledger.counts[1])].tolist():
        time_ms, is_over = int(marks_ms[mark]), limit == DRAWDOWN
        yield Halt(
            time=iso(time_ms),
            limit="max_drawdown_pct" if is_over else "daily_loss_limit_pct",
            equity_quote=float(ledger.equity[mark]),
            until=None if is_over else iso((time_ms // DAY_MS + 1) * DAY_MS),
        )


def _notes(walked: Walked, request: PortfolioRequest, defaults: BacktestSettings) -> Iterator[str]:
    for at, member in enumerate(walked.members):
        bars = member.bars
        where = f"{member.request.instrument.symbol} {member.request.timeframe}"
        for note in (*bars.coverage.notes, *notes_on_gaps(bars, member.request, defaults, None)):
            yield f"{where}: {note}"
        for note in notes_of(VariantGrid(member.request), bars.start, bars.stop, defaults.warmup_bars):
            yield f"members.{at}: {note}"
        if (own := request.members[at].strategy) is not None and own.time_range is not None:
            yield f"members.{at}.strategy.time_range counts for nothing: the range is the portfolio's"
    if request.allocation.mode.value == "inverse_volatility" and not walked.rebalances_ms.size:
        yield "allocation: inverse_volatility is estimated at rebalances, and there is none: all shares are equal"
