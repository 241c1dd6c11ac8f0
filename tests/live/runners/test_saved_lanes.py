"""Runs that come back from what was kept of them say what the batch says, to the bit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from candleray.live.runners.run_book import RunBook, StaleHistory
from candleray.live.runners.saved_lanes import Wanted
from candleray.live.runners.strategy import StrategyText
from candleray.live.snapshots.packing import Tree, pack, unpack
from candleray.live.stores.event_store import NewEvent
from candleray.timeframes import MINUTE_MS, to_ms
from tests.support.live.drawn_sessions import DrawnSession, PlainSignals, drawn_together
from tests.support.live.hand_sessions import BTC, ETH, FIRST_MS, HandSession, minutes
from tests.support.live.played_sessions import PlayedSession, check, feed

NEVER = -(2**62)


def wanted(session: PlayedSession) -> Wanted:
    return Wanted(session.live, StrategyText(session.spec.model_dump_json(by_alias=True), "hash"))


def kept(book: RunBook, sessions: Sequence[PlayedSession]) -> list[Tree]:
    """The lanes of a book as another process reads them, those that have come least far first."""
    own = dict.fromkeys(session.spec.instrument for session in sessions)
    lanes = [unpack(pack(lane, "it"), "it") for one in own for lane in book.saved(one)]
    return sorted(lanes, key=lambda lane: lane["lane"]["position_ms"])


def restored(
    lanes: Sequence[Tree], sessions: Sequence[PlayedSession], decided_ms: int, told_until_ms: int = NEVER
) -> tuple[RunBook, list[NewEvent]]:
    """A book that the runs of lanes have come back to, with what they say up to a moment."""
    book = RunBook(sessions[0].backtest)
    for lane in lanes:
        of_lane = [session for session in sessions if str(session.run_id) in lane["runs"]]
        ids = {session.run_id for session in of_lane}
        assert book.restore(lane, [wanted(one) for one in of_lane], told_until_ms) == ids
        for instrument, each in ((one, at) for session in of_lane for one, at in session.minutes.items()):
            book.take(instrument, each.between(lane["lane"]["position_ms"], decided_ms), decided_ms)
    advanced = book.advance()
    assert not advanced.failed
    return book, advanced.events


@pytest.mark.parametrize("kind", [None, PlainSignals])
@pytest.mark.parametrize("seed", range(300, 312))
def test_a_run_that_comes_back_again_and_again_says_what_the_batch_says(seed: int, kind: Any):
    session = DrawnSession(seed, signals=kind)
    book = RunBook(session.backtest)
    at_ms = session.first_decided_ms()
    events = session.attach(book, at_ms, None)
    for _ in range(3):
        until_ms = min(session.end_ms, at_ms + session.draw.randrange(200) * MINUTE_MS)
        events += session.feed(book, at_ms, until_ms)
        lanes = kept(book, [session])
        if session.draw.random() < 0.5:  # minutes come before the end of the process, and are not kept
            at_ms, until_ms = until_ms, min(session.end_ms, until_ms + session.draw.randrange(90) * MINUTE_MS)
            events += session.feed(book, at_ms, until_ms)
        at_ms = until_ms
        book, said = restored(lanes, [session], at_ms, told_until_ms=at_ms)
        assert said == []
    events += session.feed(book, at_ms, session.end_ms)
    check(session, book, events)


def test_runs_of_many_kinds_come_back_together_and_go_on_beside_new_ones():
    sessions = drawn_together(2, 14, bars=20)
    draw, backtest = random.Random(2), sessions[0].backtest
    sessions.sort(key=lambda session: session.live.last.live_from)
    former, late = sessions[:-2], sessions[-2:]
    tape = {one: each for session in sessions for one, each in session.minutes.items()}
    at_ms = max(to_ms(session.live.last.live_from) for session in sessions)
    half_ms = (at_ms + sessions[0].end_ms) // 2 // MINUTE_MS * MINUTE_MS
    book, events = RunBook(backtest), []
    for session in sessions:
        session.backtest = backtest
    for session in former:
        events += session.attach(book, at_ms, None)
    events += feed(book, tape, at_ms, half_ms, draw)
    lanes = kept(book, former)
    assert len(lanes) < len(former), "runs that see the same are kept together"
    gone, former = former[0], former[1:]
    events = [event for event in events if event.run_id != gone.run_id]
    book, said = restored(lanes, former, half_ms)
    assert said == []
    for session in late:
        events += session.attach(book, half_ms, None)
    events += feed(book, tape, half_ms, sessions[0].end_ms, draw)
    for session in [*former, *late]:
        check(session, book, events)


def test_of_the_bars_since_only_those_that_nobody_has_told_are_told():
    session = HandSession({BTC: minutes(90)})
    at_ms = FIRST_MS + 30 * MINUTE_MS
    book = RunBook(session.backtest)
    events = session.attach(book, at_ms, None)
    lanes = kept(book, [session])
    told_ms = at_ms + 20 * MINUTE_MS
    events += session.feed(book, at_ms, told_ms)
    again, said = restored(lanes, [session], session.end_ms, told_until_ms=told_ms)
    assert said
    assert min(event.ts_open for event in said) > max(event.ts_open for event in events)
    check(session, again, events + said)


def test_what_is_kept_of_another_run_or_strategy_brings_nothing_back():
    session = HandSession({BTC: minutes(60)})
    book = RunBook(session.backtest)
    session.attach(book, FIRST_MS + 30 * MINUTE_MS, None)
    [lane] = kept(book, [session])
    macd = {"indicators": [{"id": "macd"}]}
    for parts in (
        *({"timeframe": "5m"}, macd, {"indicators": [{"id": "sma", "params": {"window": 2}}, {"id": "rsi"}]}),
        {
            "signals": {
                "long_entry": {"above": [{"price": "close"}, {"instrument": ETH.model_dump(), "price": "close"}]}
            }
        },
    ):
        changed = HandSession({BTC: minutes(60)}, run_id=session.run_id, **parts)
        assert RunBook(session.backtest).restore(lane, [wanted(changed)], NEVER) == set(), parts
    stranger = HandSession({BTC: minutes(60)})
    again = RunBook(session.backtest)
    assert again.restore(lane, [wanted(stranger)], NEVER) == set()
    assert (again.standings(), again.reads) == ([], set())
    assert again.restore(lane, [wanted(stranger), wanted(session)], NEVER) == {session.run_id}
    assert again.restore(lane, [wanted(session)], NEVER) == set(), "it is there already"


def test_a_lane_whose_minutes_have_been_forgotten_is_refused():
    session, other = HandSession({BTC: minutes(900)}), HandSession({BTC: minutes(900)}, live_after=800)
    book = RunBook(session.backtest)
    session.attach(book, FIRST_MS + 30 * MINUTE_MS, None)
    [lane] = kept(book, [session])
    again = RunBook(session.backtest)
    other.attach(again, FIRST_MS + 850 * MINUTE_MS, None)
    with pytest.raises(StaleHistory, match=r"binance:spot:BTCUSDT up to 2025-01-01T00:30:00Z, kept from"):
        again.restore(lane, [wanted(session)], NEVER)
    assert [one.run_id for one in again.standings()] == [other.run_id]
