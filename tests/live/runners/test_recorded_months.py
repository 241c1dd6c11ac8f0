"""Runs of every timeframe over a recorded crash and outage: the batch's trades, to the bit, and the oracle's."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow.parquet as pq
import pytest

from candleray.candles import COLUMNS, Candles
from candleray.live.certificates.replay import session_bars
from candleray.live.events import Exit
from candleray.live.runners.run_book import RunBook
from candleray.live.starting.warm_up import run_metadata
from candleray.live.stores.event_store import NewEvent
from candleray.settings import BacktestSettings
from candleray.timeframes import DAY_MS, MINUTE_MS, TIMEFRAMES, Timeframe, from_ms, iso, minutes_of, to_ms
from tests.support.live.played_sessions import PlayedSession, check, live_run
from tests.support.live.saved_runs import spec_with
from tests.support.oracles import oracle
from tests.support.oracles.naive_signals import NaiveSignals
from tests.support.oracles.oracle_comparison import assert_close

pytestmark = pytest.mark.real_data

MONTHS = {
    "outage": ("binance_spot_BTCUSDT_2018-02_with_outage.parquet", "BTCUSDT", "2018-02-08"),
    "crash": ("binance_spot_SUIUSDT_2025-10_crash.parquet", "SUIUSDT", "2025-10-10T18:00"),
}
DAYS = {"1m": 1.5, "5m": 3, "15m": 10}
"""Days from the day of the event on; of longer bars all there are."""
AVERAGES = [{"id": "sma", "params": {"window": window}} for window in (2, 5)]
SIGNALS = {
    "long_entry": {"cross_above": AVERAGES},
    "short_entry": {"cross_below": AVERAGES},
    "long_exit": {"below": [{"price": "close"}, AVERAGES[1]]},
}
RISK = {"sl_pct": 3, "tp_pct": 5}


class RecordedSession(PlayedSession):
    def __init__(self, candles: Candles, symbol: str, day: str, timeframe: Timeframe) -> None:
        self.draw, self.backtest = random.Random(7), BacktestSettings(max_gap_hours=0.5)
        self.spec = spec_with(
            timeframe=timeframe,
            instrument={"market_id": 1, "symbol": symbol},
            indicators=None,
            signals=SIGNALS,
            risk=RISK,
            exit_on="neutral",
        )
        bar_ms = minutes_of(timeframe) * MINUTE_MS
        first_ms, event_ms = int(candles.ts_open_ms[0]), int(np.datetime64(day, "ms").astype(int))
        live_from_ms = event_ms if timeframe in DAYS else first_ms + 6 * bar_ms
        self.live = live_run(run_metadata(self.spec, from_ms(live_from_ms)), live_from_ms, 1, UUID(int=5))
        stored_ms = int(candles.ts_open_ms[-1]) + MINUTE_MS
        self.end_ms = min(stored_ms, live_from_ms + round(DAYS.get(timeframe, 99) * DAY_MS))
        self.minutes = {self.spec.instrument: candles}

    def by_the_oracle(self) -> oracle.Run:
        first_ms = to_ms(self.live.run.metadata.warmup_from)
        part = self.minutes[self.spec.instrument].between(first_ms, self.end_ms)
        content: dict[str, Any] = self.spec.model_dump(mode="json")
        instrument = (1, self.spec.instrument.symbol)
        naive = NaiveSignals(content, {instrument: (part.ts_open_ms.tolist(), part.values.T.tolist())}, 10**9)
        _, bars = session_bars(self.spec, self.span, self.minutes, self.backtest)
        count = bars.count - 1  # less the one that counts nothing
        start_ms = int(bars.ts_open_ms[0])
        said = {name: naive.of_range(start_ms, self.end_ms, content["signals"][name]) for name in SIGNALS}
        flags = {name: [state is True for state in states] for name, states in said.items()}
        rules = oracle.Rules(
            exit_on="neutral",
            fee_pct=float(self.spec.fee_pct or 0),
            slippage_pct=float(self.spec.slippage_pct or 0),
            **RISK,
        )
        entries = [[flags["long_entry"]], [flags["short_entry"]]]
        close = bars.close[:count].tolist()
        return oracle.simulate(*entries, close, rules, {1: flags["long_exit"]}, bars.gaps.tolist())


@pytest.fixture(scope="module", params=MONTHS)
def month(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Candles, str, str]:
    name, symbol, day = MONTHS[request.param]
    table = pq.read_table(shared_data / "candles" / name)
    values = np.ascontiguousarray([table[column].to_numpy() for column in COLUMNS])
    return Candles(table["ts_open"].to_numpy(), values), symbol, day


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_a_run_trades_as_its_backtest_and_as_the_oracle(month: tuple[Candles, str, str], timeframe: Timeframe):
    session = RecordedSession(*month, timeframe)
    book, decided_ms = RunBook(session.backtest), to_ms(session.live.last.live_from)
    events = session.attach(book, decided_ms, None)
    events += session.feed(book, decided_ms, session.end_ms)
    check(session, book, events)
    exits = [event for event in events if isinstance(event.body, Exit)]
    assert exits
    compare(exits, session.by_the_oracle(), session)


def compare(exits: list[NewEvent], run: oracle.Run, session: RecordedSession) -> None:
    opens = session.replayed().bars.ts_open_ms.tolist()
    exits = sorted(exits, key=lambda event: event.ts_open)
    assert len(run.trades) - len(exits) in (0, 1)
    for event, trade in zip(exits, run.trades, strict=False):
        body: Any = event.body
        assert (body.reason, to_ms(event.ts_open)) == (trade.exit_reason, opens[trade.exit_bar])
        assert to_ms(body.entered) == opens[trade.entry_bar], iso(opens[trade.entry_bar])
        for name, expected in (("pnl_quote", trade.pnl_quote), ("equity_quote", trade.equity_quote)):
            assert_close(getattr(body, name), expected, name)
