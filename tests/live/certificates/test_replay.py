"""Sessions through the batch: the events of a runner that takes the same minutes, to the bit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from candleray.candles import Candles
from candleray.live.certificates.replay import Replay, SessionSpan, replayed
from candleray.live.events import Exit
from candleray.timeframes import MINUTE_MS, to_ms
from tests.support.live.drawn_replays import BTC, DEFAULTS, FIRST_MS, DrawnReplay
from tests.support.live.saved_runs import spec_with

SESSIONS = 25


def test_drawn_sessions_say_what_a_runner_says_to_the_bit():
    kinds = Counter[str]()
    for seed in range(SESSIONS):
        session = DrawnReplay(seed)
        replayed_events = [(event.ts_open_ms, event.body) for event in session.replay().events]
        assert replayed_events == [(to_ms(event.ts_open), event.body) for event in session.said()], seed
        kinds.update(body.kind for _, body in replayed_events)
        kinds.update(body.reason for _, body in replayed_events if isinstance(body, Exit))
    assert {"signal", "entry", "stop_loss", "take_profit", "gap"} <= kinds.keys()


# Above its average of two bars is long, below it short; equal says nothing.
HAND = spec_with(
    timeframe="1m",
    indicators=[{"id": "sma", "params": {"window": 2}}],
    direction="long-only",
    fee_pct=0,
    slippage_pct=0,
    init_cash_quote=1000,
)


def by_hand(closes: list[float], absent: range = range(0)) -> Replay:
    """The hand strategy, live from the second minute on; without these minutes."""
    there = np.array([minute not in absent for minute in range(len(closes))])
    stamps = (FIRST_MS + np.arange(len(closes)) * MINUTE_MS)[there]
    minutes = Candles(stamps, np.ascontiguousarray([np.array(closes, float)[there]] * 5))
    span = SessionSpan(BTC, {None: FIRST_MS}, FIRST_MS + MINUTE_MS, FIRST_MS + len(closes) * MINUTE_MS)
    return replayed(HAND, span, {BTC: minutes}, DEFAULTS)


def told(replay: Replay) -> list[tuple[int, str]]:
    return [((event.ts_open_ms - FIRST_MS) // MINUTE_MS, event.body.kind.value) for event in replay.events]


def test_what_is_open_at_the_end_stays_open():
    replay = by_hand([10, 10, 20, 30])
    assert told(replay) == [(2, "signal"), (2, "entry")]
    assert replay.trades.size == 0
    assert replay.equity.tolist() == [1000, 1000, 1500]


def test_an_entry_on_the_last_bar_stands():
    assert told(by_hand([10, 10, 20])) == [(2, "signal"), (2, "entry")]


def test_a_position_closes_before_a_gap_which_the_bar_behind_shows():
    replay = by_hand([10, 10, 20, 30, *[0] * 31, 40], range(4, 35))
    assert told(replay) == [(2, "signal"), (2, "entry"), (3, "exit"), (4, "gap")]
    exits = [event for event in replay.events if isinstance(event.body, Exit)]
    assert [(event.body.reason, event.body.price) for event in exits if isinstance(event.body, Exit)] == [
        ("gap", 30)
    ]
    assert exits[0].known_ms == FIRST_MS + 36 * MINUTE_MS


def test_an_entry_right_before_a_gap_is_made_and_annulled():
    replay = by_hand([10, 10, 20, *[0] * 31, 30], range(3, 34))
    assert told(replay) == [(2, "signal"), (2, "entry"), (2, "annulled"), (3, "gap")]
    assert replay.equity.tolist() == [1000, 1000, 1000]
    assert [event.known_ms - FIRST_MS for event in replay.events] == [
        minutes * MINUTE_MS for minutes in (3, 3, 35, 35)
    ]


def test_a_hole_that_is_no_gap_is_told_and_closes_nothing():
    replay = by_hand([10, 10, 20, 0, 0, 30, 20], range(3, 5))
    assert told(replay) == [(2, "signal"), (2, "entry"), (3, "gap"), (6, "signal"), (6, "exit")]


@pytest.mark.parametrize("minutes", [1, 2])
def test_a_session_before_its_first_bar_or_on_it_says_nothing(minutes: int):
    replay = by_hand([10.0] * minutes)
    assert replay.events == ()
    assert len(replay.bars) == replay.signals.size == replay.equity.size == minutes - 1
