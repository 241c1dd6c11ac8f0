"""The answer to a portfolio: the whole, its members, its days, and when it halted."""

from __future__ import annotations

from typing import Literal

from candleray.portfolio.portfolio_request import PortfolioRequest
from candleray.validation import Model


class MemberOutcome(Model):
    """The outcome of one member in the portfolio."""

    name: str
    contribution_quote: float
    """The net profits of its trades."""
    contribution_pct: float
    """The same in percent of the initial cash; together those of all members are the total return."""
    trades: int
    time_share_pct: float
    """Share of marks at which it held a position."""
    refused: dict[str, int] = {}
    """Entries that were refused, by reason."""
    shrunk: dict[str, int] = {}
    """Entries that a limit made smaller, by limit."""


class PortfolioDay(Model):
    """A UTC day as of its last mark."""

    day: str
    """Such as `2025-01-31`."""
    equity_quote: float
    gross_exposure: float
    """Values of all positions, as a multiple of the equity."""
    net_exposure: float
    positions: int


class RebalanceNote(Model):
    """A moment at which the shares were fixed; the first is the start."""

    time: str
    equity_quote: float
    moved_quote: float
    """Cash that changed its pocket."""
    shares: tuple[float, ...]
    """The share of each member, in their order."""


class Halt(Model):
    """A limit of losses that was reached."""

    time: str
    limit: Literal["daily_loss_limit_pct", "max_drawdown_pct"]
    equity_quote: float
    """The equity of that mark, where positions were closed after that."""
    until: str | None
    """The next UTC day; null where it was for good."""


class SuggestedMember(Model):
    """A strategy that was chosen for a portfolio."""

    place: int
    """Its place among the candidates, from 0."""
    name: str
    sharpe_ratio: float | None
    """Its own; null where it is undefined."""
    total_return_pct: float
    highest_correlation: float | None
    """The highest daily correlation with another of those chosen."""


class Suggestion(Model):
    """Strategies that together had the best Sharpe ratio, of those that may be chosen."""

    members: tuple[SuggestedMember, ...]
    sharpe_ratio: float | None
    """Sharpe ratio of the mean of their daily returns."""
    is_exact: bool
    """True where every choice was looked at; else no exchange of one of them for another is better."""
    candidates: int
    summary: tuple[str, ...]
    """The choice in words, and that it was made in sample."""


class PortfolioResult(Model):
    """Several strategies over one account, as a backtest."""

    request: PortfolioRequest
    metrics: dict[str, float | int | None]
    """Name to number, as in the answer of a backtest."""
    table_md: str
    members: tuple[MemberOutcome, ...]
    correlation: tuple[tuple[float | None, ...], ...]
    """Correlations of daily profits, a row and a column for each member; null beside one that never had any."""
    days: tuple[PortfolioDay, ...]
    rebalances: tuple[RebalanceNote, ...]
    halts: tuple[Halt, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The whole, then a line for each member, the halts and the notes."""
        trades = sum(one.trades for one in self.members)
        whole = f"portfolio of {len(self.members)}: {self._percent('Total Return [%]')} %, {trades:,} trades"
        parts = [f"{one.name}: {one.contribution_pct:+,.2f} %, {one.trades:,} trades" for one in self.members]
        halts = [f"{one.time}: {one.limit} halted it {one.until or 'for good'}" for one in self.halts]
        drawdown = f"max. drawdown {self._percent('Max. Drawdown [%]')} %, days {self._span}"
        return "\n".join([whole, drawdown, *parts, *halts, *self.notes])

    __repr__ = __str__

    @property
    def _span(self) -> str:
        return f"{self.days[0].day} to {self.days[-1].day}"

    def _percent(self, name: str) -> str:
        value = self.metrics.get(name)
        return "–" if value is None else f"{value:+,.2f}"
