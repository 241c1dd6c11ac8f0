"""The facts of one simulation: all that its metrics are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from candleray.candles import FloatArray, IntArray


class Sample(NamedTuple):
    """Numbers `(n,)` with their mean and standard deviation (ddof 1); 0 where there are too few for one."""

    values: FloatArray
    mean: float
    deviation: float

    @property
    def size(self) -> int:
        return int(self.values.size)


class Drawdowns(NamedTuple):
    """The drawdown episodes of an equity curve; depths are shares of the peak."""

    episodes: int
    deepest: float
    total_depth: float
    longest_ms: int
    total_ms: int


class Setting(NamedTuple):
    """The facts that all simulations of a search share."""

    start_ms: int
    """Opening of the first bar."""
    end_ms: int
    """Close of the last bar."""
    bars: int
    first_close: float
    last_close: float
    init_cash_quote: float

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


class Performance(ABC):
    """Facts of one simulation, each worked out when it is first asked for: a metric costs what it reads."""

    @property
    @abstractmethod
    def setting(self) -> Setting: ...

    @property
    @abstractmethod
    def trades(self) -> int:
        """Closed trades, one that closed on the last bar among them."""

    @property
    @abstractmethod
    def last_equity_quote(self) -> float: ...

    @property
    @abstractmethod
    def total_return_pct(self) -> float: ...

    @property
    @abstractmethod
    def bars_in_position(self) -> int:
        """Bars that end in a position."""

    @property
    @abstractmethod
    def profits_quote(self) -> Sample:
        """Net profits of the trades."""

    @property
    @abstractmethod
    def returns_pct(self) -> Sample:
        """The trades' net profits / entry notionals."""

    @property
    @abstractmethod
    def durations_ms(self) -> IntArray:
        """Times from the close of a trade's entry bar to the close of its exit bar."""

    @property
    @abstractmethod
    def exposure(self) -> float:
        """Mean over all bars of position value / equity."""

    @property
    @abstractmethod
    def drawdowns(self) -> Drawdowns: ...

    @property
    @abstractmethod
    def daily_returns(self) -> Sample: ...

    @property
    @abstractmethod
    def downside(self) -> float:
        """√mean(min(r, 0)²) of the daily returns."""

    @property
    def max_drawdown_pct(self) -> float:
        return self.drawdowns.deepest * 100.0
