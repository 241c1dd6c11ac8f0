"""`python -m tests.bench.portfolio`: the seconds of large portfolios, from bars in memory to the answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from candleray.portfolio.member_requests import named_requests
from candleray.portfolio.portfolio_request import PortfolioRequest
from candleray.portfolio.reading import answered, members_of
from candleray.settings import Settings
from tests.support.portfolios.over_candles import Symbols, walk_of

YEAR = {"start": "2025-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT", "DDDUSDT", "EEEUSDT")
LIMITS = {"max_gross_exposure": 0.9, "max_positions": 40, "daily_loss_limit_pct": 5}


def strategy(at: int, timeframe: str) -> dict[str, Any]:
    """One of the strategies of one kind, each with a window of its own; one in three has stops."""
    return {
        "instrument": {"market_id": 1, "symbol": SYMBOLS[at % len(SYMBOLS)]},
        "timeframe": timeframe,
        "indicators": [{"id": "ema", "params": {"window": 20 + 3 * at}}],
        "risk": {"sl_pct": 2.0, "tp_pct": 4.0} if at % 3 == 0 else {},
        "fee_pct": 0.01,
    }


def request(count: int, timeframe: str, **changes: Any) -> PortfolioRequest:
    members = [{"strategy": strategy(at, timeframe)} for at in range(count)]
    return PortfolioRequest.model_validate({"members": members, "time_range": YEAR, **changes})


def measure(name: str, asked: PortfolioRequest, store: Symbols) -> None:
    settings = Settings(environment="test")
    members = asyncio.run(members_of(list(named_requests(asked, {})), store, settings))
    for take in ("first", "second"):
        wall, cpu = time.perf_counter(), time.process_time()
        told = answered(asked, members, 10_000.0, settings.backtests)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        trades = told.metrics["Num. Trades"]
        print(f"{name}, {take} time: {wall:.2f} s, {cpu:.2f} s of one core, {trades:,} trades", flush=True)


def main() -> None:
    store = Symbols({symbol: walk_of(366 * 1440, seed, 0.0008) for seed, symbol in enumerate(SYMBOLS)})
    measure("50 members, a year of minutes of 5 instruments", request(50, "1m"), store)
    measure("the same under limits, rebalanced daily", request(50, "1m", limits=LIMITS, rebalance="daily"), store)
    measure("500 members, a year of hours of 5 instruments", request(500, "1h"), store)
    shares = {"allocation": {"mode": "inverse_volatility"}, "rebalance": "weekly", "limits": LIMITS}
    measure("the same by inverse volatility, under limits", request(500, "1h", **shares), store)


if __name__ == "__main__":
    main()
