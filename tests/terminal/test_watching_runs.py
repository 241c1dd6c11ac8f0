"""Runs watched through the SDK and the command line: events as they come, and again after a cut."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from candleray import Client, cli
from candleray.errors import InvalidInput, NotFound, ServiceUnavailable, Unauthenticated
from candleray.live.order_records import OrderPage, RunFill
from candleray.live.records import RunTrade
from candleray.live.run_history import RunHistory
from candleray.live.standing import RunStanding
from candleray.sdk import connection, event_stream
from candleray.sdk.event_stream import sent_events
from candleray.terminal.run_watch import READ_AGAIN_S, RunWatch
from serve_apps.examples import live as examples
from serve_apps.examples import strategies as strategy_examples
from tests.support.api.served import served_api
from tests.support.hand_clock import HandClock

RUN_ID = strategy_examples.RUN_ID


@pytest.fixture(scope="module")
def api_url(embedded_store) -> Iterator[str]:
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture
def client(api_url) -> Iterator[Client]:
    with Client(api_url) as client:
        yield client


@pytest.fixture
def run_id(client) -> str:
    """A run of a strategy of its own, with two events: started and stopped.

    A run is "stopping" for good where no runner stops it, and a strategy has one active run:
    no two tests may draw the same stop-loss.
    """
    draft = strategy_examples.NEW_STRATEGIES["written"]["value"]["strategy"]
    strategy = client.save_strategy({**draft, "risk": {"sl_pct": 1 + (uuid4().int >> 90) / 2**38}})
    run = client.start_run(strategy.strategy_id)
    client.stop_run(run.run_id)
    return str(run.run_id)


CODES = {401: "unauthenticated", 429: "too_many_requests"}


class Scripted:
    """A transport that answers each request for the stream with the next script, and keeps what was asked."""

    def __init__(self, scripts: Sequence[Any], has_runs: bool = True) -> None:
        self.asked: list[dict[str, str]] = []
        self._scripts = iter(scripts)
        self._has_runs = has_runs
        """False where the API answers nothing but the stream."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == f"/runs/{RUN_ID}" and not self._has_runs:
            told = {"error": {"code": "service_unavailable", "message": "away", "problems": []}}
            return httpx.Response(503, json=told)
        if request.url.path == f"/runs/{RUN_ID}":
            return httpx.Response(200, json=strategy_examples.RUN_HISTORY)
        if request.url.path == "/runs":
            return httpx.Response(
                200, json={"runs": [strategy_examples.RUN] * self._has_runs, "next_cursor": None}
            )
        self.asked.append(dict(request.url.params))
        script = next(self._scripts)
        if isinstance(script, Exception):
            raise script
        if isinstance(script, int):
            told = {"error": {"code": CODES[script], "message": "no", "problems": []}}
            return httpx.Response(script, json=told)
        return httpx.Response(200, content=script.encode(), headers={"Content-Type": "text/event-stream"})

    def client(self) -> Client:
        return Client("http://api", token="crt_" + "x" * 43, transport=httpx.MockTransport(self))


def begin(after: int) -> str:
    return f'event: begin\ndata: {{"after": {after}}}\nid: {after}\n\n'


def event(number: int, body: dict[str, Any] | None = None, **changes: Any) -> str:
    told = {**examples.EVENT, "number": number, **({"body": body} if body else {}), **changes}
    data = json.dumps(told, ensure_ascii=False)
    return f"event: strategy_event\ndata: {data}\nid: {number}\n\n: ping\n\n"


STANDINGS = f"event: standings\ndata: {json.dumps([examples.STANDING])}\n\n"
END = 'event: end\ndata: {"after": 9}\n\n'


def failed(code: str) -> str:
    return f'event: error\ndata: {{"error": {{"code": "{code}", "message": "no more", "problems": []}}}}\n\n'


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "FIRST_PAUSE_S", 0.0)


def test_events_are_read_from_lines_comments_and_all():
    lines = ["event: a", "data: 1", "data: 2", "id: 7", "", ": ping", "", "data:3", ""]
    assert list(sent_events(lines)) == [("a", "1\n2", "7"), ("message", "3", "")]


def test_after_a_cut_it_goes_on_behind_the_last_event_and_tells_none_twice(no_pause):
    api = Scripted(
        [
            begin(41) + event(42) + event(43),
            httpx.ReadError("cut"),
            httpx.ConnectError("away"),
            begin(43) + event(43) + event(44) + failed("service_unavailable"),
            begin(44) + STANDINGS + event(45) + END,
        ]
    )
    cuts, standings = [], []
    with api.client() as client:
        events = client.events(for_s=60, on_standings=standings.extend, on_cut=cuts.append)
        assert [one.number for one in events] == [42, 43, 44, 45]
    assert [asked.get("after") for asked in api.asked] == [None, "43", "43", "43", "44"]
    assert len(cuts) == 4
    assert [one.equity_quote for one in standings] == [examples.STANDING["equity_quote"]]


def test_a_cut_before_the_first_event_loses_none(no_pause):
    api = Scripted([begin(41), begin(41) + event(42) + END])
    with api.client() as client:
        assert [one.number for one in client.events(for_s=60)] == [42]
    assert api.asked[1]["after"] == "41"


@pytest.mark.parametrize("script", [401, begin(1) + failed("unauthenticated")])
def test_a_token_that_is_good_no_more_ends_it(script, no_pause):
    with Scripted([script]).client() as client, pytest.raises(Unauthenticated):
        list(client.events())


def test_what_a_run_has_said_is_read_through_the_api(client, run_id, monkeypatch):
    monkeypatch.setattr("candleray.sdk.run_events._PAGE", 1)
    states = [one.body.to_state for one in client.run_events(run_id[:13])]
    assert states == ["starting", "stopping"]
    assert list(client.run_events(run_id, kind=["entry", "exit"])) == []
    assert [one.run_id for one in client.events(after=0, for_s=0)][-1] == client.run(run_id).run_id
    assert (client.run_trades(run_id), client.run_signals(run_id)) == ([], [])
    assert [one.session for one in client.run_equity(run_id).sessions] == [1]
    with pytest.raises(NotFound):
        list(client.run_events(uuid4()))
    with pytest.raises(InvalidInput, match="beyond your last event"):
        next(client.events(after=10**9))


def test_an_event_may_hold_what_python_takes_for_the_end_of_a_line(no_pause):
    cause = "one\u2028two\x85three\u2029"
    failed = {"kind": "state", "action": "fail", "from_state": "running", "to_state": "failed", "cause": cause}
    with Scripted([begin(41) + event(42, failed) + event(43) + END]).client() as client:
        told = list(client.events(for_s=60))
    assert [one.number for one in told] == [42, 43]
    assert told[0].body.cause == cause


GAP = {"kind": "gap", "minutes": 3}


def test_following_a_run_goes_on_with_what_comes_of_it_of_the_kinds_and_the_session(no_pause):
    others = event(43, GAP) + event(44, run_id=str(uuid4())) + event(45, session=7)
    api = Scripted([begin(41) + event(42) + others + event(46) + END])
    with api.client() as client:
        pages = {"events": [{**examples.EVENT, "number": 41}], "next_after": None}
        client.send = lambda *_, **__: json.dumps(pages).encode()
        client.events = lambda after: iter(Client.events(client, after, for_s=60))
        followed = client.run_events(RUN_ID, kind="signal", session=1, follow=True)
        assert [one.number for one in followed] == [41, 42, 46]
    assert api.asked[0]["after"] == "41"


def test_pauses_grow_while_it_is_away_and_are_short_again_once_something_came(monkeypatch):
    paused = []
    monkeypatch.setattr(event_stream.time, "sleep", paused.append)
    away = [httpx.ConnectError("away")] * 3
    api = Scripted([*away, begin(41) + event(42), 429, httpx.ReadTimeout("silent"), begin(42) + END])
    cuts = []
    with api.client() as client:
        assert [one.number for one in client.events(on_cut=cuts.append)] == [42]
    assert paused == [0.5, 1.0, 2.0, 0.5, 1.0, 2.0]
    assert "said nothing for 45 s" in cuts[-1]


def test_where_the_time_is_over_and_nothing_answers_that_is_an_error():
    with Scripted([httpx.ConnectError("away")]).client() as client, pytest.raises(ServiceUnavailable):
        list(client.events(for_s=0))


def test_the_equity_of_many_pages_is_one(client):
    point = examples.EQUITY["points"][0]
    pages = [{**examples.EQUITY, "points": [{**point, "number": number}], "next_after": 9} for number in (1, 2)]
    pages[1]["next_after"] = None
    answers = iter(pages)
    client.send = lambda *_, **__: json.dumps(next(answers)).encode()
    assert [one.number for one in client.run_equity(RUN_ID).points] == [1, 2]


# The command line ------------------------------------------------------------------------------------------


def command(api_url: str, *arguments: Any) -> Result:
    return CliRunner().invoke(cli.app, ["run", *map(str, arguments), "--api", api_url])


def test_events_are_lines_in_words_or_json(api_url, run_id):
    shown = command(api_url, "events", run_id)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert [line.split("  ")[3] for line in lines] == [
        "starting: asked for by the user",
        "stopping: asked for by the user",
    ]
    told = [json.loads(line) for line in command(api_url, "events", run_id, "--json").stdout.splitlines()]
    assert [one["body"]["to_state"] for one in told] == ["starting", "stopping"]
    later = command(api_url, "events", run_id, "--json", "--after", told[0]["number"])
    assert [json.loads(line)["number"] for line in later.stdout.splitlines()] == [told[1]["number"]]
    for wrong in (("events", "--kind", "entri"), ("events", "--session", 9), ("trades", "--session", 9)):
        assert command(api_url, wrong[0], run_id, *wrong[1:]).exit_code == 2, wrong


def test_runs_are_listed_by_their_state_and_shown_with_what_they_wait_for(api_url, run_id, monkeypatch):
    assert run_id in command(api_url, "list", "--state", "stopping", "--limit", 500).stdout
    assert run_id not in command(api_url, "list", "--state", "running", "--limit", 500).stdout
    waits = {**examples.STANDING, "waits_for": "minutes that have not come"}
    history = RunHistory.model_validate({**strategy_examples.RUN_HISTORY, "standing": waits})
    monkeypatch.setattr(Client, "run", lambda *_: history)
    shown = command(api_url, "show", run_id)
    assert "long 0.10658488 at 93821.881" in shown.stdout
    assert "it waits for minutes that have not come" in shown.stderr


def test_watching_without_a_terminal_prints_a_line_an_event_and_ends_in_time(api_url, run_id):
    shown = command(api_url, "watch", run_id, "--after", 0, "--for", 0)
    assert shown.exit_code == 0, shown.output
    assert [line.rpartition("  ")[2] for line in shown.stdout.splitlines()] == [
        "starting: asked for by the user",
        "stopping: asked for by the user",
    ]
    told = command(api_url, "watch", "--after", 0, "--for", 0, "--json").stdout.splitlines()
    assert run_id in {json.loads(line)["run_id"] for line in told}


def test_trades_are_a_table_with_the_open_one_last(api_url, run_id, monkeypatch):
    trades = [RunTrade.model_validate(one) for one in examples.TRADES["trades"]]
    monkeypatch.setattr(Client, "run_trades", lambda *_, **__: trades)
    lines = command(api_url, "trades", run_id).stdout.splitlines()
    assert "+79.61" in lines[-2]
    assert " open " in lines[-1]


def test_orders_and_fills_are_tables_that_say_why_there_are_no_more(api_url, run_id, monkeypatch):
    page = OrderPage.model_validate({**examples.ORDERS, "halted": "the books differ"})
    fills = [RunFill.model_validate(one) for one in examples.FILLS["fills"]]
    monkeypatch.setattr(Client, "run_orders", lambda *_, **__: page)
    monkeypatch.setattr(Client, "run_fills", lambda *_, **__: fills)
    shown = command(api_url, "orders", run_id)
    assert "0.10658488" in shown.stdout
    assert "it makes no order any more: the books differ" in shown.stderr
    assert "9,992.50" in command(api_url, "fills", run_id).stdout
    assert json.loads(command(api_url, "orders", run_id, "--json").stdout)["halted"] == "the books differ"


def test_a_watch_says_that_the_connection_is_lost_and_goes_on(no_pause, capsys):
    api = Scripted(
        [httpx.ConnectError("away"), httpx.ConnectError("away"), begin(41) + event(42) + STANDINGS + END]
    )
    with api.client() as client:
        RunWatch(client, None, as_json=False).follow(None, 60)
    told = capsys.readouterr()
    assert told.err.count("connection lost: ") == 1
    assert "connected again" in told.err
    assert "42  2026-01-05T12:00:00Z  9d1f2c5e binance:spot:BTCUSDT 1h  signal long, before none" in told.out


def test_a_run_that_cannot_be_read_at_the_moment_ends_no_watch(no_pause, capsys, monkeypatch):
    monkeypatch.setattr(connection, "RETRY_DELAYS_S", ())
    stopped = {"kind": "state", "action": "stop", "from_state": "running", "to_state": "stopping", "cause": "mine"}
    with Scripted([begin(41) + event(42) + event(43, stopped) + END], has_runs=False).client() as client:
        RunWatch(client, None, as_json=False).follow(None, 60)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[2:4] for line in lines] == [
        ["9d1f2c5e", "signal long, before none, close 93812.5"],
        ["9d1f2c5e", "stopping: mine"],
    ]


@pytest.fixture
def watched(no_pause) -> Iterator[tuple[RunWatch, HandClock]]:
    """A watch of one active run that has said something."""
    clock = HandClock()
    with Scripted([begin(41) + event(42) + END]).client() as client:
        watch = RunWatch(client, None, True, clock)
        watch.follow(None, 60)
        yield watch, clock


def table(watch: RunWatch) -> list[str]:
    return [str(line) for line in watch._table().renderables]


WAITS = RunStanding.model_validate({**examples.STANDING, "waits_for": "minutes that have not come"})


def test_the_table_shows_what_each_run_holds_and_waits_for_and_its_last_verdict(watched, monkeypatch):
    watch, clock = watched
    clock.now_s += READ_AGAIN_S + 1
    monkeypatch.setitem(strategy_examples.RUN, "parity", "broken")
    watch._stand([WAITS])
    shown = table(watch)
    assert shown[1].split()[:7] == ["9d1f2c5e", "signals", "binance:spot:BTCUSDT", "1h", "starting", "0.6", "s"]
    assert "long 0.10658488 at 93821.881" in shown[1]
    assert " broken " in shown[1]
    assert shown[2] == "9d1f2c5e waits for minutes that have not come"


def test_the_table_shows_no_standing_that_nobody_tells_any_more(watched):
    watch, clock = watched
    watch._stand([WAITS])
    clock.now_s += 30
    assert len(table(watch)) == 3
    clock.now_s += 10
    _, row = table(watch)
    assert row.split()[5:9] == ["–", "long", "–", "–"], "of the signal the last one is known"


def test_a_run_that_stops_waits_for_nothing_and_a_signal_is_shown_as_it_is_said(no_pause):
    halted = {"kind": "state", "action": "halt", "from_state": "stopping", "to_state": "stopped", "cause": "mine"}
    short = {"kind": "signal", "signal": "short", "before": "long", "close": 1.0}
    with Scripted([begin(41) + event(42, short) + END, begin(42) + event(43, halted) + END]).client() as client:
        watch = RunWatch(client, None, True)
        watch._stand([WAITS])
        watch.follow(None, 60)
        assert " short " in table(watch)[1]
        assert "waits for minutes" in table(watch)[2]
        watch.follow(None, 60)
        assert [line for line in table(watch) if "waits" in line or "9d1f2c5e" in line] == []
