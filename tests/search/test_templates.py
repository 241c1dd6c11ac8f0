"""Templates of strategies: each is the idea that it says, against pandas bar by bar and the per-bar simulator."""

from __future__ import annotations

import numpy as np
import pytest

from candleray.candles import Candles
from candleray.markets import find_market
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.strategies.template import templates
from candleray.timeframes import DAY_MS
from tests.support.oracles.idea_comparison import IdeaCase
from tests.support.oracles.ideas import IDEAS

START_MS = 1_735_689_600_000  # 2025-01-01
DAYS = 160


@pytest.fixture(scope="module")
def minutes() -> dict[str, Candles]:
    market, generated = find_market("binance-spot"), GeneratedCandles(seed=11)
    rows = {
        symbol: generated.candles(market, symbol, START_MS, START_MS + DAYS * DAY_MS)
        for symbol in ("BTCUSDT", "ETHUSDT")
    }
    return {symbol: Candles(one.ts_open_ms, one.values) for symbol, one in rows.items()}


@pytest.fixture(scope="module", params=templates())
def case(request: pytest.FixtureRequest, minutes: dict[str, Candles]) -> IdeaCase:
    return IdeaCase(request.param, minutes)


def test_there_are_twenty_and_each_has_an_oracle_of_its_own():
    assert len(templates()) == 20
    assert set(templates()) == set(IDEAS)


def test_a_template_is_true_on_the_bars_on_which_pandas_is(case: IdeaCase):
    planes, expected = case.planes(), case.by_pandas
    assert planes.keys() == expected.keys()
    for signal, flags in planes.items():
        assert np.flatnonzero(flags).tolist() == np.flatnonzero(expected[signal]).tolist(), signal
        assert 0 < np.count_nonzero(flags) < case.bars.count, signal


def test_a_template_trades_as_the_per_bar_simulator_does(case: IdeaCase):
    (best,), expected = case.result().top, case.by_the_bar()
    assert best.total_return_pct == pytest.approx(expected.total_return_pct, rel=1e-12, abs=1e-12)
    assert [trade.exit_reason for trade in best.trades or ()] == [one.exit_reason for one in expected.trades]
    assert expected.trades
