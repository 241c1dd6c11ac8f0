"""Runs whose candles come in pieces say what the batch says of all of them at once, to the bit."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest

from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.candles import Candles
from candleray.errors import InvalidInput
from candleray.live.received.session_sources import sources_of
from candleray.live.runners.attached_run import AttachedRun
from candleray.live.runners.run_book import RunBook, StaleHistory
from candleray.timeframes import MINUTE_MS, from_ms
from tests.support.live.drawn_sessions import DrawnSession, PlainSignals, drawn_together
from tests.support.live.hand_sessions import BTC, ETH, FIRST_MS, HandSession, minutes
from tests.support.live.played_sessions import check, feed

LIVE_MS = FIRST_MS + 10 * MINUTE_MS


@pytest.mark.parametrize("seed", range(30))
def test_drawn_sessions_say_what_the_batch_says(seed: int):
    session = DrawnSession(seed)
    book = RunBook(session.backtest)
    decided_ms = session.first_decided_ms()
    events = session.attach(book, decided_ms, None)
    events += session.feed(book, decided_ms, session.end_ms)
    check(session, book, events)


@pytest.mark.parametrize("seed", range(200, 230))
def test_comparisons_of_all_operands_say_what_the_batch_says(seed: int):
    session = DrawnSession(seed, bars=60, signals=PlainSignals)
    book = RunBook(session.backtest)
    decided_ms = session.first_decided_ms()
    events = session.attach(book, decided_ms, None)
    events += session.feed(book, decided_ms, session.end_ms)
    check(session, book, events)


@pytest.mark.parametrize("seed", range(40, 60))
def test_a_restart_in_the_middle_repeats_what_was_not_told_and_changes_nothing(seed: int):
    session = DrawnSession(seed)
    book = RunBook(session.backtest)
    decided_ms = session.first_decided_ms()
    events = session.attach(book, decided_ms, None)
    middle_ms = max(decided_ms, (decided_ms + session.end_ms) // 2 // MINUTE_MS * MINUTE_MS)
    events += session.feed(book, decided_ms, middle_ms)
    again = RunBook(session.backtest)
    ahead_ms = min(session.end_ms, middle_ms + session.draw.choice([0, 1, 90]) * MINUTE_MS)
    told_until_ms = middle_ms - session.draw.choice([0, 0, 30]) * MINUTE_MS
    later = session.attach(again, ahead_ms, told_until_ms)
    later += session.feed(again, ahead_ms, session.end_ms)
    repeated = [event for event in later if event in events]
    assert told_until_ms < middle_ms or not repeated
    check(session, again, events + [event for event in later if event not in repeated])


def test_runs_of_many_kinds_go_on_together_while_others_come_and_go():
    sessions = drawn_together(1, 12, bars=20)
    first, draw = sessions[0], sessions[0].draw
    book, events, leaving = RunBook(first.backtest), [], sessions[::5]
    sessions.sort(key=lambda session: session.live.last.live_from)
    at_ms = began_ms = sessions[0].first_decided_ms()
    tape = {one: each for session in sessions for one, each in session.minutes.items()}
    for number, session in enumerate(sessions):
        session.backtest = first.backtest
        until_ms = max(at_ms, session.first_decided_ms())
        events += feed(book, tape, at_ms, until_ms, draw)
        at_ms = until_ms
        # Of an instrument that has been read for a while a history may lag.
        began_ms = began_ms if number else at_ms
        is_known = set(session.minutes) == {first.spec.instrument}
        events += session.attach(book, max(began_ms, at_ms - is_known * 2 * MINUTE_MS), None)
    half_ms = (at_ms + first.end_ms) // 2 // MINUTE_MS * MINUTE_MS
    events += feed(book, tape, at_ms, half_ms, draw)
    for session in leaving:
        book.detach(session.run_id)
    events += feed(book, tape, half_ms, first.end_ms, draw)
    for session in sessions:
        if session not in leaving:
            check(session, book, events)


def attached(session: HandSession, decided_ms: int = LIVE_MS, book: RunBook | None = None) -> RunBook:
    book = book or RunBook(session.backtest)
    session.attach(book, decided_ms, None)
    return book


def advanced(book: RunBook, session: HandSession, first_ms: int, until_ms: int) -> list[tuple[Any, ...]]:
    for instrument, each in session.minutes.items():
        book.take(instrument, each.between(first_ms, until_ms), until_ms)
    return [(event.ts_open, event.body.kind) for event in book.advance().events]


def at(minute: int) -> Any:
    return from_ms(FIRST_MS + minute * MINUTE_MS)


def test_the_first_bar_of_a_session_opens_a_position_and_is_compared_with_no_signal():
    session = HandSession({BTC: minutes(30)})
    book = attached(session)
    book.take(BTC, session.minutes[BTC].between(LIVE_MS, LIVE_MS + MINUTE_MS), LIVE_MS + MINUTE_MS)
    outcome = book.advance()
    assert [event.body.model_dump(include={"kind", "signal", "before", "side"}) for event in outcome.events] == [
        {"kind": "signal", "signal": "short", "before": "none"},
        {"kind": "entry", "side": "short"},
    ]
    assert outcome.taken_ms == {BTC: LIVE_MS}
    assert book.advance().taken_ms == {}
    [standing] = book.standings()
    assert (standing.signal, standing.side, standing.last_bar, standing.trades) == ("short", "short", at(10), 0)
    assert standing.return_pct == 0


def test_a_gap_is_told_with_its_first_minute_when_the_next_one_has_come_however_its_minutes_were_declared():
    session = HandSession({BTC: minutes(40, without=range(20, 29))})
    whole = attached(session)
    assert [one for one in advanced(whole, session, LIVE_MS, session.end_ms) if one[1] == "gap"] == [
        (at(20), "gap")
    ]
    in_parts = attached(session)
    assert advanced(in_parts, session, LIVE_MS, LIVE_MS + 15 * MINUTE_MS)
    assert advanced(in_parts, session, LIVE_MS + 15 * MINUTE_MS, LIVE_MS + 19 * MINUTE_MS) == []
    in_parts.take(BTC, session.minutes[BTC].between(LIVE_MS + 19 * MINUTE_MS, session.end_ms), session.end_ms)
    events = in_parts.advance().events
    assert [event.body.minutes for event in events if event.body.kind == "gap"] == [9]
    # It holds no position over a gap of more than three minutes, and says so of the bar before.
    assert (at(19), "annulled") in [(event.ts_open, event.body.kind) for event in events]


def test_a_bar_that_lacks_a_minute_is_not_made():
    session = HandSession({BTC: minutes(60, without=range(32, 33))}, timeframe="5m")
    book = attached(session)
    events = advanced(book, session, LIVE_MS, session.end_ms)
    assert at(30) not in [ts_open for ts_open, _ in events]
    assert (at(32), "gap") in events
    assert book.standings()[0].last_bar == at(55)


def test_a_bar_waits_for_every_instrument_that_the_run_reads():
    other = {"instrument": ETH, "price": "close"}
    signals = {"long_entry": {"above": [{"price": "close"}, other]}}
    session = HandSession({BTC: minutes(30), ETH: minutes(30, first_ms=FIRST_MS + MINUTE_MS)}, signals=signals)
    book = attached(session)
    until_ms = LIVE_MS + 5 * MINUTE_MS
    book.take(BTC, session.minutes[BTC].between(LIVE_MS, until_ms), until_ms)
    assert book.advance().events == []
    assert book.standings()[0].waits_for == "minutes of binance:spot:ETHUSDT from 2025-01-01T00:10:00Z on"
    assert (book.reads, book.instruments) == ({BTC, ETH}, {BTC})
    book.take(ETH, session.minutes[ETH].between(LIVE_MS, until_ms), until_ms)
    assert book.advance().taken_ms == {BTC: until_ms - MINUTE_MS}
    assert book.standings()[0].waits_for is None


def test_a_run_that_breaks_is_let_go_with_its_reason_and_no_other_run_is_harmed(monkeypatch: pytest.MonkeyPatch):
    signals = {"long_entry": {"all": [{"above": [{"price": "close"}, 1]}, {"above": [{"time": "hour"}, 0]}]}}
    sessions = [HandSession({BTC: minutes(90)}, signals=signals) for _ in range(3)]
    book = RunBook(sessions[0].backtest)
    for session in sessions:
        attached(session, book=book)
    broken, take = sessions[1], AttachedRun.take

    def breaking(run: AttachedRun, bars: Any, open_ms: int) -> None:
        if run.run_id == broken.run_id:
            raise ZeroDivisionError("by nothing")
        take(run, bars, open_ms)

    monkeypatch.setattr(AttachedRun, "take", breaking)
    book.take(BTC, sessions[0].minutes[BTC].between(LIVE_MS, sessions[0].end_ms), sessions[0].end_ms)
    outcome = book.advance()
    reason = "cannot take the bar of 2025-01-01T00:10:00Z: ZeroDivisionError: by nothing"
    assert outcome.failed == {broken.run_id: reason}
    assert {run.run.run_id for run in book.runs_of(BTC)} == {sessions[0].run_id, sessions[2].run_id}
    for session in (sessions[0], sessions[2]):
        check(session, book, outcome.events)


def test_an_account_that_breaks_is_let_go_alone():
    sessions = [HandSession({BTC: minutes(60)}) for _ in range(3)]
    book = RunBook(sessions[0].backtest)
    for session in sessions:
        attached(session, book=book)
    [*_, last] = book._accounts._runs
    book._accounts.state(last)["bar"] = 2**62  # as if it had seen bars that are to come
    book.take(BTC, sessions[0].minutes[BTC].between(LIVE_MS, sessions[0].end_ms), sessions[0].end_ms)
    outcome = book.advance()
    assert list(outcome.failed) == [sessions[2].run_id]
    for session in sessions[:2]:
        check(session, book, outcome.events)


def test_a_strategy_of_an_indicator_that_is_gone_is_refused_in_words_for_its_owner():
    session = HandSession({BTC: minutes(30)})
    gone = IndicatorAxes.model_construct(id="gone", inputs={}, params={}, signal={})
    session.spec = session.spec.model_copy(update={"indicators": (gone,)})
    book = RunBook(session.backtest)
    with pytest.raises(InvalidInput, match="cannot run with the engine of today: KeyError: 'gone'"):
        book.attach(session.live, session.spec, {BTC: minutes(10)}, {BTC: LIVE_MS}, None)
    with pytest.raises(InvalidInput, match="KeyError: 'gone'"):
        sources_of(session.live, session.spec)
    assert (book.standings(), book.reads) == ([], set())


def test_minutes_that_are_not_decided_or_come_twice_are_no_bars():
    session = HandSession({BTC: minutes(30)})
    book = attached(session)
    with pytest.raises(ValueError, match="00:10:00Z is not before 2025-01-01T00:10:00Z, the first undecided"):
        book.take(BTC, session.minutes[BTC].between(LIVE_MS, LIVE_MS + MINUTE_MS), LIVE_MS)
    first = advanced(book, session, LIVE_MS, LIVE_MS + MINUTE_MS)
    assert first
    other = session.minutes[BTC].between(LIVE_MS, LIVE_MS + MINUTE_MS)
    book.take(BTC, Candles(other.ts_open_ms, other.values * 2), LIVE_MS + MINUTE_MS)
    assert book.advance().events == []
    book.take(ETH, minutes(3), session.end_ms)  # nobody reads it
    assert book.reads == {BTC}


def test_a_history_may_lag_behind_the_book_by_an_hour_but_not_by_days():
    early = HandSession({BTC: minutes(1_000)})
    book = attached(early)
    session = HandSession({BTC: minutes(1_000)}, live_after=900)
    for stop in range(100, 1_001, 100):
        advanced(book, early, LIVE_MS, FIRST_MS + stop * MINUTE_MS)
    events = session.attach(book, FIRST_MS + 920 * MINUTE_MS, None) + book.advance().events
    check(session, book, events)
    with pytest.raises(StaleHistory, match=r"binance:spot:BTCUSDT up to 2025-01-01T01:40:00Z, kept from"):
        HandSession({BTC: minutes(1_000)}).attach(book, FIRST_MS + 100 * MINUTE_MS, None)
    with pytest.raises(ValueError, match="attached already"):
        session.attach(book, FIRST_MS + 920 * MINUTE_MS, None)


def test_of_a_long_history_a_run_keeps_what_its_next_bars_read():
    average = {"id": "ema", "params": {"window": 20}}
    rules = {
        "long_entry": {"rule": "rsi", "side": "long"},
        "long_exit": {"cross_below": [{"price": "close"}, average]},
    }
    spell = {"long_entry": {"held_for": [{"above": [{"price": "close"}, average]}, 3]}}
    for parts in ({}, {"signals": rules}, {"signals": spell}):
        attached(HandSession({BTC: minutes(100)}, **parts))  # loads the kernels
        session = HandSession({BTC: minutes(50_000)}, **parts)
        tracemalloc.start()
        book = RunBook(session.backtest)
        session.attach(book, session.end_ms, told_until_ms=session.end_ms)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert book.standings()
        assert kept < 50_000, parts  # a series over all bars has eight times as many bytes
