"""Messages say what happened in a trader's words, and fit into what Telegram takes."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from candleray.live.events import (
    Annulled,
    Entry,
    EventBody,
    Exit,
    Gap,
    LateCandle,
    OrderFilled,
    OrderHalt,
    OrderMade,
    SignalChange,
    StateChange,
    StrategyEvent,
    Wait,
)
from candleray.live.run import RunAction, RunState
from candleray.live.standing import RunStanding
from candleray.notify.bot_api import MOST_CHARACTERS, length_of
from candleray.notify.bot_commands import PAGE_RUNS
from candleray.notify.run_lines import run_line, standing_lines
from candleray.notify.texts import RunFacts, digest_of, line_of, message_of, price

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
FACTS = RunFacts(UUID(int=0x9D1F2C5E << 96), "golden-cross", "binance:spot:BTCUSDT", "1h", 10_000.0)


def event(body: EventBody) -> StrategyEvent:
    return StrategyEvent(number=17, run_id=FACTS.run_id, session=1, ts_open=NOON, at=NOON, body=body)


ENTRY = Entry(
    side="long", price=42_010.5, quantity=0.2380, notional_quote=9_998.5, fee_quote=7.5, equity_quote=10_000
)
EXIT = Exit(
    reason="take_profit",
    side="short",
    entered=NOON.replace(hour=3),
    entry_price=43_000.0,
    price=42_010.5,
    quantity=0.238,
    fees_quote=15.1,
    pnl_quote=231.2,
    return_pct=2.312,
    equity_quote=10_231.2,
)
FAILED = StateChange(
    action=RunAction.FAIL, from_state=RunState.RUNNING, to_state=RunState.FAILED, cause="no such <indicator>"
)


def test_a_fill_on_paper_and_a_halt_are_told_with_what_they_lead_to():
    order = {"client_order_id": "cr1", "side": "sell", "quantity": 0.238}
    fill = OrderFilled(**order, price=42_010.5, fee_quote=7.5, position=0.0, balance_quote=10_231.2)
    assert message_of(event(fill), FACTS).splitlines() == [
        "Filled on paper: sell 0.238 at 42,010.5 · BTCUSDT 1h",
        "golden-cross",
        "fee 7.50, balance 10,231.20",
        "2026-01-05 12:00 UTC · binance spot · run 9d1f2c5e",
        "#17",
    ]
    assert "Order on paper: sell 0.238" in line_of(event(OrderMade(**order)), FACTS)
    halt = message_of(event(OrderHalt(reason="the books differ")), FACTS)
    assert halt.startswith("Orders halted · BTCUSDT 1h\ngolden-cross\nthe books differ\n")


def test_an_entry_is_told_with_its_price_size_and_the_close_of_its_bar():
    assert message_of(event(ENTRY), FACTS).splitlines() == [
        "▲ LONG entry at 42,010.5 · BTCUSDT 1h",
        "golden-cross",
        "0.238 for 9,998.50, fee 7.50",
        "paper equity 10,000.00, return +0.00 %",
        "2026-01-05 13:00 UTC · binance spot · run 9d1f2c5e",
        "#17",
    ]


def test_an_exit_is_told_with_its_reason_its_return_and_that_of_the_run():
    assert message_of(event(EXIT), FACTS).splitlines()[:5] == [
        "▼ SHORT exit at 42,010.5: +2.31 %, take profit · BTCUSDT 1h",
        "golden-cross",
        "entered 2026-01-05 03:00 UTC at 43,000",
        "0.238, profit +231.20, fees 15.10",
        "paper equity 10,231.20, return +2.31 %",
    ]
    assert line_of(event(EXIT), FACTS) == (
        "#17 01-05 13:00 BTCUSDT 1h: ▼ SHORT exit at 42,010.5: +2.31 %, take profit (golden-cross)"
    )


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (SignalChange(signal="long", before="none", close=0.00001234), "Signal LONG at 0.00001234"),
        (Annulled(side="long", price=5.0, quantity=1.0, equity_quote=1.0), "▲ LONG entry at 5 is void"),
        (Gap(minutes=1), "Gap of 1 minute"),
        (LateCandle(seen_at=NOON), "Late candle"),
        (Wait(instrument="binance:spot:BTCUSDT", reason="halted"), "Waits for minutes that do not come"),
        (FAILED, "Failed"),
    ],
)
def test_every_kind_has_a_first_line_of_its_own(body: EventBody, head: str):
    assert message_of(event(body), FACTS).splitlines()[0] == f"{head} · BTCUSDT 1h"


def test_a_failure_is_told_with_its_cause_at_its_own_moment():
    lines = message_of(event(FAILED), FACTS).splitlines()
    assert lines[2] == "no such <indicator>"
    assert lines[3].startswith("2026-01-05 12:00 UTC")


@pytest.mark.parametrize("value", [(1e-8, "0.00000001"), (123_456_789.123, "123,456,789.1"), (1.0, "1")])
def test_prices_have_no_exponent(value: tuple[float, str]):
    assert price(value[0]) == value[1]


def test_long_names_and_causes_are_cut_and_no_message_is_too_long():
    facts = FACTS._replace(name="𝕏" * 5000)
    cause = StateChange(action=RunAction.FAIL, from_state=None, to_state=RunState.FAILED, cause="x\n" * 250)
    assert length_of(message_of(event(cause), facts)) < MOST_CHARACTERS
    assert length_of(line_of(event(ENTRY), facts)) < 250


def test_a_digest_holds_as_many_lines_as_fit_and_says_that_there_are_more():
    text, taken = digest_of([line_of(event(ENTRY), FACTS._replace(name="𝕏" * 30))] * 300)
    assert MOST_CHARACTERS - 250 < length_of(text) <= MOST_CHARACTERS
    assert text.startswith(f"{taken} events, more to come\n#17 ")
    assert text.count("\n") == taken < 300
    assert length_of(digest_of(["#1 a line"] * 1000)[0]) <= MOST_CHARACTERS, "ends of lines count too"
    assert digest_of(["#1 a", "#2 b"]) == ("2 events\n#1 a\n#2 b", 2)


def test_the_longest_page_of_a_status_is_one_message():
    row = {
        "run_id": FACTS.run_id,
        "state": "warming_up",
        "instrument_key": "binance:spot:" + "X" * 40,
        "timeframe": "15m",
        "name": "𝕏" * 500,
    }
    standing = RunStanding(
        run_id=FACTS.run_id,
        session=1,
        lag_s=86_400.0 * 400,
        signal="short",
        side="short",
        quantity=0.00001234567891,
        entry_price=0.00001234567891,
        equity_quote=1.0,
        return_pct=-99.999,
        waits_for="𝕏" * 5000,
    )
    assert length_of("\n".join(standing_lines(row, standing) * PAGE_RUNS["status"])) < MOST_CHARACTERS - 300
    assert length_of("\n".join([run_line(row)] * PAGE_RUNS["runs"])) < MOST_CHARACTERS - 300
