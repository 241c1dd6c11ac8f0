"""The last answers: a printed result can be reported on and saved without a second search."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from candleray import cli
from candleray.errors import NotFound
from candleray.market_data.candle_store import CandleStore
from candleray.terminal import last_answers
from candleray.terminal.last_answers import answers_folder, keep_answer, last_answer
from tests.support.api.in_process_api import stored_walk
from tests.support.api.served import served_api
from tests.support.command_line import Run

REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "LASTUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-01", "end": "2025-01-03"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 10, "stop": 40, "step": 5}}}],
}


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore) -> Iterator[str]:
    stored_walk(embedded_store, "LASTUSDT", 3000)
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def run(api_url: str) -> Run:
    def invoke(*args: object, stdin: bytes | str | None = None) -> Result:
        where = () if args[0] == "report" else ("--api", api_url)
        return CliRunner().invoke(cli.app, [*map(str, args), *where], input=stdin)

    return invoke


def proposed(result: Result) -> list[str]:
    """The commands that it names to go on with, without the place they go to."""
    lines = result.stderr.split("next:")[1].splitlines()
    return [line.split("candleray ")[1].split(" --api")[0] for line in lines if line]


def kept(number: int) -> None:
    keep_answer(json.dumps({"top": [], "number": number}).encode(), f"backtest {number}", "http://api")


def test_a_rank_of_the_last_search_is_reported_and_saved(run: Run) -> None:
    searched = run("backtest", "-", "--json", stdin=json.dumps(REQUEST))
    third = json.loads(searched.stdout)["top"][2]
    reported, printed = run("report", "--last", "--rank", 3, "--json"), run("report", "--last", "--rank", 3)
    assert json.loads(reported.stdout) == third
    assert printed.stdout.startswith(f"rank 3, variant {third['variant_index']}\nOpens long when SMA(")
    assert "Sharpe Ratio" in printed.stdout
    assert "of the answer to `candleray backtest -` of 20" in printed.stderr
    saved = json.loads(run("strategy", "create", "--last", "--rank", 3, "--json").stdout)
    assert saved["spec"]["indicators"][0]["params"] == third["strategy"]["indicators"][0]["params"]


def test_the_verdict_of_the_last_search_is_told_drawn_and_kept_with_what_is_saved(
    run: Run, tmp_path: Path
) -> None:
    answer = json.loads(run("backtest", "-", "--json", stdin=json.dumps(REQUEST)).stdout)
    told = run("verdict", "--last", "--out", tmp_path / "verdict.html")
    assert told.exit_code == 0, told.output
    says = answer["verdict"]["says"].capitalize()
    assert told.stdout.startswith(says)
    assert f"luck p of the whole grid {answer['verdict']['luck_p']:.4f}" in " ".join(told.stdout.split())
    page = (tmp_path / "verdict.html").read_text()
    assert (says in page, page.count('class="title"')) == (True, 4)
    assert run("verdict", "--last", "--out", tmp_path / "verdict.svg").exit_code == 0
    assert (tmp_path / "verdict.svg").read_text().startswith("<svg ")
    saved = json.loads(run("strategy", "create", "--last", "--json").stdout)
    assert saved["verdict"]["luck_p"] == answer["verdict"]["luck_p"]
    shown = run("strategy", "show", saved["name"]).stdout
    assert f"verdict: {answer['verdict']['says']}; winners of half" in " ".join(shown.split())
    assert [one["request_hash"] for one in json.loads(run("trials", "--json").stdout)][:1] == [
        answer["request_hash"]
    ]
    (tmp_path / "none.json").write_text("{}")
    assert run("verdict", tmp_path / "none.json").exit_code == 2


def test_an_older_search_is_counted_back(run: Run) -> None:
    for timeframe in ("5m", "15m"):
        run("backtest", "-", "--no-report", stdin=json.dumps({**REQUEST, "timeframe": timeframe}))
    names = [run("strategy", "create", "--last", "--back", back).stdout.splitlines()[0] for back in (1, 2)]
    assert ["-15m-" in name for name in names] == [True, False]
    beyond = run("strategy", "create", "--last", "--back", 3)
    assert beyond.exit_code == 2
    assert "there is no answer 3 back: 2 are kept" in beyond.stderr


def test_the_last_answer_is_the_last_one_also_where_the_clock_went_back(monkeypatch: pytest.MonkeyPatch) -> None:
    kept(1)
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns - 3600 * 10**9)
    kept(2)
    kept(3)
    assert [last_answer(back).content["number"] for back in (1, 2, 3)] == [3, 2, 1]


def test_the_next_commands_stand_on_stderr_and_not_beside_json(run: Run) -> None:
    table = run("backtest", "-", stdin=json.dumps(REQUEST))
    assert proposed(table) == ["report --last --rank 2", "strategy create --last --rank 1"]
    assert "next:" not in table.stdout
    assert run("backtest", "-", "--json", stdin=json.dumps(REQUEST)).stderr == ""


def test_the_next_commands_need_no_row_that_the_table_lacks(run: Run, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    for parts, words in (
        ({}, ["report --last --rank 2", "strategy create", "job submit"]),
        ({"top_k": 1}, ["report --last --rank 1", "strategy create", "job submit"]),
        ({"min_trades": 100_000}, ["explain", "job submit"]),
    ):
        request.write_text(json.dumps(REQUEST | parts))
        table = run("backtest", request)
        assert all(line.startswith(word) for line, word in zip(proposed(table), words, strict=True)), parts
    assert "next:" not in run("backtest", "-", stdin=json.dumps(REQUEST | {"min_trades": 100_000})).stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("report", "file.json", "--last"), "two sources"),
        (("report", "--back", 2, "none.json"), "--back counts the answers of --last"),
        (("report", "--last"), "none is kept"),
    ],
)
def test_what_does_not_go_together_is_wrong_input(run: Run, arguments: tuple[object, ...], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_they_are_private_whatever_the_umask() -> None:
    before = os.umask(0)
    try:
        kept(1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(answers_folder().stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in answers_folder().iterdir()} == {0o600}


def test_their_number_and_their_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(last_answers.MOST_ANSWERS + 5):
        kept(number)
    assert len(list(answers_folder().iterdir())) == last_answers.MOST_ANSWERS
    assert last_answer().content["number"] == last_answers.MOST_ANSWERS + 4
    monkeypatch.setattr(
        last_answers, "MOST_BYTES", 3 * max(path.stat().st_size for path in answers_folder().iterdir())
    )
    kept(99)
    assert len(list(answers_folder().iterdir())) == 3
    assert last_answer().content["number"] == 99


def test_one_that_is_damaged_is_passed_over_with_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2, 3, 4):
        kept(number)
    *_, torn, wrong = sorted(answers_folder().iterdir())
    torn.write_bytes(torn.read_bytes()[:60])
    wrong.write_bytes(b"\xff\x00")
    assert last_answer().content["number"] == 2
    assert capfd.readouterr().err.count("is damaged and passed over") == 2


def test_where_nothing_can_be_kept_the_command_has_done_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    kept(1)
    assert "the answer is not kept for --last" in capfd.readouterr().err
    with pytest.raises(NotFound, match="none is kept"):
        last_answer()
