"""Steps of paper accounts: by hand, and beside the backtest and the oracle over the same bars.

`python -m tests.support.oracles.step_comparison 2000 5000` draws more of them, and longer ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kernels.bits import pack
from kernels.live.bar_signals import Decisions, bar_signals
from kernels.live.paper_accounts import NO_BAR, PAPER_ACCOUNT, TERMS, Terms, new_accounts
from kernels.live.steps import Tapes, step_accounts
from kernels.live.trade_events import ANNULLED, CLOSED, EVENT_KINDS, OPENED
from kernels.simulation.accounts import Rules
from kernels.simulation.exits import EXIT_REASONS
from kernels.simulation.programs import ABSENT, AND, LEAF, Program
from tests.support.oracles.drawn_runs import ALWAYS, DrawnRun
from tests.support.oracles.oracle_comparison import kernel_rules, signal_flags
from tests.support.oracles.step_comparison import SteppedRun

ONE = np.zeros(1, np.int64)


class Stepped:
    """One run over closes and signals written by hand, a bar at a time."""

    def __init__(self, closes: list[float], signal: str, *gaps: int, sl=None, tp=None, **rules: Any) -> None:
        costs = {"fee_pct": 0.0, "slippage_pct": 0.0, "init_cash_quote": 1000.0}
        sides = {"direction": "long-short", "exit_on": "opposite"}
        self.terms = np.array([Terms(Rules.of(**{**sides, **costs, **rules}), sl, tp).record], TERMS)
        self.accounts = new_accounts(self.terms)
        self.decisions = Decisions.of([([0], None)])
        self.events, self.equity = [], []
        for bar, close in enumerate(closes):
            truths = pack(signal_flags(signal[bar]))[None]
            signals, _ = bar_signals(self.decisions, self.terms, ONE, truths, 1)
            tapes = Tapes(np.array([[bar]]), np.array([[float(close)]]), np.array([[bar - 1 in gaps]], np.uint8))
            events, equity = step_accounts(self.accounts, self.terms, ONE, ONE, tapes, signals)
            self.events += list(events)
            self.equity += equity[0].tolist()

    @property
    def told(self) -> list[tuple[Any, ...]]:
        """Bar, kind, side and the reason of an exit, of each event."""
        sides = {1: "long", -1: "short"}
        return [
            (event["bar"], EVENT_KINDS[event["kind"]], sides[int(event["side"])])
            + ((EXIT_REASONS[event["exit_reason"]],) if event["kind"] == CLOSED else ())
            for event in self.events
        ]


def told(closes: list[float], signal: str, *gaps: int, **rules: Any) -> list[tuple[Any, ...]]:
    return Stepped(closes, signal, *gaps, **rules).told


FLAT = [100.0] * 8


def test_a_fresh_signal_opens_and_the_opposite_one_reverses_on_one_bar():
    assert told(FLAT, ".LL.SS..") == [
        (1, "opened", "long"),
        (4, "closed", "long", "signal"),
        (4, "opened", "short"),
    ]


def test_the_last_bar_there_is_closes_nothing_and_lets_a_position_open():
    assert told(FLAT[:2], "LL") == [(0, "opened", "long")]
    assert told(FLAT[:2], ".L") == [(1, "opened", "long")]


def test_a_stop_goes_before_the_signal_and_the_signal_it_ended_does_not_enter_again():
    assert told([100, 90, 90, 90], "LLL.", sl=5) == [(0, "opened", "long"), (1, "closed", "long", "stop_loss")]
    assert told([100, 90, 90, 90], "LS..", sl=5, direction="long-only") == [
        (0, "opened", "long"),
        (1, "closed", "long", "stop_loss"),
    ]
    assert told([100, 110, 110], "S.S", tp=5, sl=7)[1:] == [
        (1, "closed", "short", "stop_loss"),
        (2, "opened", "short"),
    ]


def test_exits_on_neutral_and_a_side_that_is_not_allowed():
    assert told(FLAT, "LL.SS...", exit_on="neutral", direction="long-only") == [
        (0, "opened", "long"),
        (2, "closed", "long", "signal"),
    ]


def test_signals_of_both_sides_are_none():
    assert told(FLAT, "X.XLX.X.", exit_on="opposite") == [(3, "opened", "long")]


def test_a_gap_shows_on_the_bar_behind_it_and_closes_on_the_bar_before_it():
    run = Stepped([100, 110, 300, 300], "LLLL", 1)
    assert run.told == [(0, "opened", "long"), (1, "closed", "long", "gap")]
    assert run.events[1]["exit_fill"] == 110
    assert run.equity == pytest.approx([1000, 1100, 1100, 1100])


def test_an_entry_on_the_last_bar_before_a_gap_is_annulled_by_the_bar_behind_it():
    run = Stepped([100, 110, 300, 300], ".LLL", 1, fee_pct=1)
    assert run.told == [(1, "opened", "long"), (1, "annulled", "long")]
    assert run.events[1]["equity_quote"] == run.equity[-1] == run.accounts["equity"][0] == 1000.0
    assert told(FLAT, "LLSSSSSL", 2) == [
        (0, "opened", "long"),
        (2, "closed", "long", "signal"),
        (2, "opened", "short"),
        (2, "annulled", "short"),
        (7, "opened", "long"),
    ]


def test_a_short_that_loses_everything_is_ruined_and_never_enters_again():
    run = Stepped([100, 150, 250, 50, 50], "SSS.S")
    assert run.told == [(0, "opened", "short"), (2, "closed", "short", "ruin")]
    assert run.equity == pytest.approx([1000, 500, 0, 0, 0])
    assert run.accounts["available"][0] == 0.0


def test_equity_is_marked_at_each_close_and_the_entry_s_fee_is_paid_at_once():
    run = Stepped([100, 110, 120], ".LL", fee_pct=1, init_cash_quote=1010)
    assert run.equity == pytest.approx([1010, 1000, 1000 + 1000 / 110 * 10])


def test_before_the_first_trade_the_equity_is_the_initial_cash_which_no_sum_has_rounded():
    run = Stepped([100, 100, 100], "...", init_cash_quote=1284.95, budget_quote=238.89)
    assert 238.89 + (1284.95 - 238.89) != 1284.95
    assert run.equity == [1284.95, 1284.95, 1284.95]


def test_an_open_trade_has_no_exit():
    [event] = Stepped(FLAT, "L.......", fee_pct=1).events
    assert (event["exit_bar"], event["exit_reason"]) == (-1, -1)
    assert np.isnan([event["exit_fill"], event["pnl_quote"], event["return_pct"]]).all()
    assert event["fees_quote"] == event["entry_fee_quote"]


# Beside the backtest -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_trades_and_equity_are_the_backtest_s_to_the_bit_and_the_oracle_s(seed: int):
    stepped = SteppedRun(DrawnRun(seed, 400), seed)
    stepped.check()


def test_the_drawn_runs_see_every_kind_of_event_and_every_exit():
    runs = [SteppedRun(DrawnRun(seed, 400), seed) for seed in range(60)]
    events = np.concatenate([run.events for run in runs])
    assert set(events["kind"].tolist()) == {OPENED, CLOSED, ANNULLED}
    seen = {EXIT_REASONS[code] for code in events["exit_reason"].tolist() if code >= 0}
    assert seen == set(EXIT_REASONS) - {"last_bar", "trailing_stop", "time"}, "a run looks at no others"


@pytest.mark.parametrize("seed", range(100, 120))
def test_an_account_comes_back_by_the_same_steps_however_many_bars_they_have(seed: int):
    run = DrawnRun(seed, 300)
    a_bar_each, a_few = SteppedRun(run, 1, most_bars=1), SteppedRun(run, 2)
    assert a_bar_each.accounts.tobytes() == a_few.accounts.tobytes()
    assert a_bar_each.events.tobytes() == a_few.events.tobytes()
    assert a_bar_each.equity.tobytes() == a_few.equity.tobytes()


def test_many_runs_stepped_together_are_what_each_is_alone():
    """Runs share three tapes and read conditions of one table; some of the runs alone take the second step."""
    runs = [DrawnRun(seed, 200) for seed in range(30)]
    for place, run in enumerate(runs):
        run.close, run.gaps = runs[place % 3].close, runs[place % 3].gaps
    terms = np.array([run.terms.record for run in runs], TERMS)
    accounts, first, rows, flags = new_accounts(terms), 0, [], []
    for run in runs:
        rows.append([2 * (first + at) for at in range(len(run.flags))])
        flags.append(run.flags)
        first += len(run.flags)
    decisions = Decisions.of([(own, run.program) for own, run in zip(rows, runs, strict=True)])
    table, events = np.concatenate(flags), []
    for begin, stop, places in ((0, 120, np.arange(30)), (120, 200, np.arange(29, -1, -2))):
        signals, _ = bar_signals(decisions, terms, places, pack(table[:, :, begin:stop]), stop - begin)
        bars = np.tile(np.arange(begin, stop), (3, 1))
        close = np.stack([run.close[begin:stop] for run in runs[:3]])
        after_gap = np.stack([np.isin(bars[0] - 1, run.gaps) for run in runs[:3]]).astype(np.uint8)
        some, equity = step_accounts(accounts, terms, places, places % 3, Tapes(bars, close, after_gap), signals)
        events.append(some)
        assert equity[:, -1].tobytes() == accounts["equity"][places].tobytes()
    for place in range(1, 30, 2):
        alone = SteppedRun(runs[place], place)
        assert accounts[place : place + 1].tobytes() == alone.accounts.tobytes()
        own = np.concatenate([some[some["account"] == place] for some in events])
        own["account"] = 0
        assert own.tobytes() == alone.events.tobytes()
    assert (accounts["bar"][0::2] == 119).all()


# Signals of a bar ----------------------------------------------------------------------------------------------


def test_conflicts_are_counted_over_the_bars():
    terms = np.array([Terms(kernel_rules(DrawnRun(0, 2).rules)).record], TERMS)
    truths = pack(signal_flags("LXSX.X"))[None]
    signals, conflicts = bar_signals(Decisions.of([([0], None)]), terms, ONE, truths, 6)
    assert conflicts.tolist() == [3]
    assert [mark & 3 for mark in signals[0].tolist()] == [1, 0, 2, 0, 0, 0]


def test_exits_of_their_own_close_and_let_none_open():
    flags = np.array([signal_flags("LL.LLL"), signal_flags("..L.L.")])
    nodes = np.array([(LEAF, 0, 0, ALWAYS), (LEAF, 1, 0, ALWAYS), (AND, 0, 1, ALWAYS)])
    program = Program(nodes, np.array([0, ABSENT, 1, ABSENT]), np.full((2, 1), ABSENT), np.empty(0, np.int64))
    terms = np.array([Stepped([1.0], ".").terms[0]], TERMS)
    signals, _ = bar_signals(Decisions.of([([0, 2], program)]), terms, ONE, pack(flags), 6)
    # Long; long exit: the condition. Short exit: the opposite signal, as without exits of their own.
    assert signals[0].tolist() == [1 | 8, 1 | 8, 4, 1 | 8, 1 | 4 | 8, 1 | 8]


# What does not go together -------------------------------------------------------------------------------------


def test_a_bar_that_an_account_has_seen_is_refused_and_changes_nothing():
    run = Stepped(FLAT, "L.......")
    before = run.accounts.tobytes()
    tapes = Tapes(np.array([[7]]), np.array([[1.0]]), np.zeros((1, 1), np.uint8))
    with pytest.raises(ValueError, match="has seen bar 7 gets bar 7 again"):
        step_accounts(run.accounts, run.terms, ONE, ONE, tapes, np.zeros((1, 1), np.uint8))
    assert run.accounts.tobytes() == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"places": np.array([1])}, "places 1 to 1 of 1 accounts"),
        ({"tape_of": np.array([-1])}, "places -1 to -1 of 1 tapes"),
        ({"places": np.array([0, 0]), "tape_of": np.array([0, 0]), "signals": np.zeros((2, 2), np.uint8)}, "once"),
        ({"signals": np.zeros((1, 3), np.uint8)}, "signals"),
        ({"terms": np.zeros(2, TERMS)}, "2 terms"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(changed: dict[str, Any], message: str):
    tapes = Tapes(np.array([[3, 4]]), np.array([[1.0, 2.0]]), np.zeros((1, 2), np.uint8))
    given = {
        "accounts": np.zeros(1, PAPER_ACCOUNT),
        "terms": np.zeros(1, TERMS),
        "places": ONE,
        "tape_of": ONE,
        "tapes": tapes,
        "signals": np.zeros((1, 2), np.uint8),
    }
    given["accounts"]["bar"] = NO_BAR
    with pytest.raises(ValueError, match=message):
        step_accounts(**(given | changed))


def test_bars_that_do_not_ascend_are_refused():
    run = Stepped([100.0], "L")
    tapes = Tapes(np.array([[5, 4]]), np.array([[1.0, 2.0]]), np.zeros((1, 2), np.uint8))
    with pytest.raises(ValueError, match="ascend"):
        step_accounts(run.accounts, run.terms, ONE, ONE, tapes, np.zeros((1, 2), np.uint8))


@pytest.mark.parametrize(
    ("rows", "truths", "message"),
    [
        ([2], np.zeros((1, 2, 1), np.uint64), "rows 2 to 2 of 2"),
        ([0], np.zeros((1, 2, 2), np.uint64), "C-contiguous"),
        ([0], np.zeros((2, 1, 2), np.uint64)[:, :, :1], "C-contiguous"),
    ],
)
def test_truths_that_are_not_there_are_refused(rows: list[int], truths: np.ndarray, message: str):
    with pytest.raises(ValueError, match=message):
        bar_signals(Decisions.of([(rows, None)]), np.zeros(1, TERMS), ONE, truths, 1)


def test_a_run_without_conditions_and_a_level_at_the_fill_are_refused():
    with pytest.raises(ValueError, match="one condition at least"):
        Decisions.of([([], None)])
    with pytest.raises(ValueError, match="above 0 %"):
        _ = Terms(kernel_rules(DrawnRun(0, 2).rules), 0.0).record
