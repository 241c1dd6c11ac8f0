"""Strategies and runs by the SDK and by the command line: what a person types from a search to a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from candleray import Client, Conflict, InvalidInput, NotFound, cli
from candleray.live.certificates.certificate import Certificate
from candleray.market_data.candle_store import CandleStore
from candleray.strategies.strategy import Strategy
from candleray.strategies.template import templates
from candleray.terminal.certificates import print_certificate
from serve_apps.examples import certificates
from tests.support.api.in_process_api import stored_walk
from tests.support.api.served import served_api
from tests.support.command_line import Run

REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "SAVECLIUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-01", "end": "2025-01-03"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 10, "stop": 40, "step": 5}}}, {"id": "rsi"}],
}


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore) -> Iterator[str]:
    stored_walk(embedded_store, "SAVECLIUSDT", 3000)
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture
def client(api_url: str) -> Iterator[Client]:
    with Client(api_url) as one:
        for run in one.runs():
            if run.state == "starting":
                one.stop_run(run.run_id)
        yield one


def saved(client: Client, window: int, **parts: Any) -> Strategy:
    indicators = [{"id": "sma", "params": {"window": window}}]
    own = {name: REQUEST[name] for name in ("instrument", "timeframe")}
    return client.save_strategy({**own, "indicators": indicators, **parts})


# Templates -------------------------------------------------------------------------------------------------------


def typed(*args: str) -> Result:
    return CliRunner().invoke(cli.app, ["strategy", "template", *args])


def test_templates_are_listed_in_words_and_as_json():
    listed = typed()
    assert listed.exit_code == 0
    assert "bullish-divergence" in listed.stdout
    assert "comes back above 30" in listed.stdout
    assert {one["name"] for one in json.loads(typed("--json").stdout)} == set(templates())


def test_a_template_is_a_request_that_the_next_command_takes(run: Run):
    printed = typed("ema-cross")
    assert "crosses above the 100-bar EMA" in printed.stderr
    request = json.loads(printed.stdout)
    assert request == json.loads(typed("ema-cross", "--json").stdout) == templates()["ema-cross"].request
    own = {name: REQUEST[name] for name in ("instrument", "timeframe", "time_range")}
    answer = run("backtest", "-", "--json", stdin=json.dumps(request | own))
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["variants_total"] == 1
    table = run("backtest", "-", "--no-report", stdin=json.dumps(request | own))
    assert table.stdout.splitlines()[0].endswith("2025-01-03T00:00:00Z, long-only")


def test_an_unknown_template_is_refused_with_the_nearest():
    refused = typed("ema-cros")
    assert refused.exit_code == 2
    assert "no template 'ema-cros'; did you mean 'ema-cross'?" in refused.stderr


# The SDK ---------------------------------------------------------------------------------------------------------


def test_from_a_search_to_a_strategy_and_its_backtest(client):
    result = client.backtest(REQUEST)
    best = result.top[0]
    strategy = client.save_strategy(best)
    assert client.save_strategy(best.strategy) == client.save_strategy(strategy.spec) == strategy
    alone = client.backtest({"strategy_id": strategy.strategy_id, "time_range": REQUEST["time_range"]})
    assert alone.top[0].metrics == best.metrics
    assert client.strategy(strategy.strategy_id) == strategy


def test_a_variant_of_a_job_is_saved(client):
    variant = client.backtest(REQUEST).top[0]
    job = client.submit(REQUEST)
    assert client.save_job_variant(job.job_id, variant.variant_index) == client.save_strategy(variant)


def test_lists_go_over_as_many_pages_as_there_are(client, monkeypatch):
    kept = [saved(client, window, timeframe="4h") for window in range(20, 27)]
    monkeypatch.setattr("candleray.sdk.strategies._PAGE_STRATEGIES", 3)
    assert client.strategies("binance-spot", timeframe="4h") == kept[::-1]
    assert client.strategies(timeframe="4h", limit=4) == kept[:2:-1]
    assert client.strategies(symbol="SAVECLIUSDT", indicator="sma", name="4h-sma21-") == [kept[1]]


def test_a_clone_and_a_deletion(client):
    parent = saved(client, 31)
    clone = client.clone_strategy(parent.strategy_id, {"direction": "short-only"})
    assert (clone.parent_id, clone.spec.direction) == (parent.strategy_id, "short-only")
    with pytest.raises(InvalidInput, match="is the same as"):
        client.clone_strategy(parent.strategy_id, {"timeframe": "5m"})
    assert client.delete_strategy(clone.strategy_id).deleted_at is not None
    with pytest.raises(NotFound):
        client.strategy(clone.strategy_id)


def test_a_run_from_its_start_to_its_restart(client):
    strategy = saved(client, 33)
    run = client.start_run(strategy.strategy_id)
    with pytest.raises(Conflict, match=str(run.run_id)):
        client.start_run(strategy.strategy_id)
    assert [one.run_id for one in client.runs(strategy.strategy_id, state="starting")] == [run.run_id]
    assert client.stop_run(run.run_id).state == "stopping"
    with pytest.raises(Conflict, match="allowed: halt, run, fail"):
        client.stop_run(run.run_id)
    assert client.restart_run(run.run_id).state == "starting"
    assert [event.to_state for event in client.run(run.run_id).events] == ["starting", "stopping", "starting"]


@pytest.mark.parametrize("strategy_id", ["x", "../strategies", "0b4bd4f2"])
def test_what_means_no_strategy_never_reaches_a_path(client, strategy_id):
    for act in (client.strategy, client.start_run, client.delete_strategy):
        with pytest.raises((InvalidInput, NotFound), match="give the id of a strategy"):
            act(strategy_id)


# The command line ------------------------------------------------------------------------------------------------


def test_an_answer_becomes_a_strategy_becomes_a_run(run: Run, client: Client, tmp_path: Path):
    (tmp_path / "request.json").write_text(json.dumps(REQUEST))
    answer = run("backtest", tmp_path / "request.json", "--json").stdout_bytes
    created = run("strategy", "create", "-", "--rank", 2, "--json", stdin=answer)
    assert created.exit_code == 0, created.stderr
    strategy = Strategy.model_validate_json(created.stdout)
    assert strategy.spec == client.save_strategy(json.loads(answer)["top"][1]["strategy"]).spec

    listed = run("strategy", "list", "--symbol", "savecliusdt", "--timeframe", "5m")
    assert strategy.name in listed.stdout
    shown = run("strategy", "show", strategy.strategy_id)
    assert strategy.name in shown.stdout
    assert strategy.spec_hash in shown.stdout

    started = run("run", "start", strategy.strategy_id, "--mode", "paper")
    assert "starting" in started.stdout
    assert " paper " in started.stdout
    (kept,) = json.loads(run("run", "list", "--strategy", strategy.strategy_id, "--json").stdout)
    assert "candleray run watch" in started.stderr
    assert kept["mode"] == "paper"
    assert run("run", "fills", kept["run_id"], "--json").stdout.strip() == "[]"
    assert "its user has pulled the kill switch" in run("run", "halt", kept["run_id"]).stdout
    stopped = run("run", "stop", kept["run_id"])
    assert "stopping" in stopped.stdout
    assert f"candleray run certify {kept['run_id'][:8]}" in stopped.stderr
    assert "starting" in run("run", "restart", kept["run_id"]).stdout
    certified = run("run", "certify", kept["run_id"], "--out", tmp_path / "certificate.json")
    assert "empty: there was no bar in the range" in certified.stdout
    assert f"candleray verify {tmp_path / 'certificate.json'}" in certified.stderr
    assert "confirmed: " in run("verify", tmp_path / "certificate.json").stdout
    history = run("run", "show", kept["run_id"])
    assert history.stdout.count("asked for by the user") == 3
    refused = run("strategy", "delete", strategy.strategy_id)
    assert (refused.exit_code, "stop it first" in refused.stderr) == (1, True)


def test_a_clone_is_typed_and_deleted(run: Run, client: Client):
    parent = saved(client, 37)
    cloned = run("strategy", "clone", parent.strategy_id, "-", stdin='{"risk": {"sl_pct": 2}}')
    assert "sl_pct" in cloned.stdout
    clone = client.strategies(name=f"{parent.name[:-9]}")[0]
    assert str(parent.strategy_id) in cloned.stdout
    deleted = run("strategy", "delete", clone.strategy_id)
    assert (deleted.exit_code, clone.name in deleted.stderr) == (0, True)


def test_a_strategy_is_shown_with_what_it_means_and_the_direction_it_trades(run: Run, client: Client):
    own = {name: REQUEST[name] for name in ("instrument", "timeframe")}
    entry = {"cross_above": [{"id": "ema", "params": {"window": 20}}, {"id": "sma", "timeframe": "4h"}]}
    said = "Opens long when EMA(20) crosses above the 4-hour SMA(20); no signal closes it."
    created = run("strategy", "create", "-", stdin=json.dumps({**own, "signals": {"long_entry": entry}}))
    name, sentence = created.stdout.splitlines()[:2]
    assert (name.startswith("SAVECLIUSDT-5m-ema20-sma20_4h-"), sentence) == (True, said)
    assert "\ndirection" in created.stdout
    cloned = run("strategy", "clone", name, "-", stdin='{"risk": {"sl_pct": 2, "tp_pct": 4.5}}').stdout
    assert cloned.startswith("SAVECLIUSDT-5m-ema20-sma20_4h-sl2-tp4.5-")
    assert cloned.splitlines()[1:3] == [said, "Before that, a stop-loss of 2 % or a take-profit of 4.5 % closes."]
    for told in (run("strategy", "list", name).stdout, run("strategy", "show", name).stdout):
        assert said in told
        assert "long-only" in told
        assert "long-short" not in told
    listed = run("strategy", "show", saved(client, 35).name).stdout
    assert listed.splitlines()[1].startswith("Opens long when SMA(35) says long; closes when")
    assert "long-short" in listed


def test_a_saved_strategy_is_explained_by_its_name_or_the_beginning_of_its_id(run: Run, client: Client):
    own = {name: REQUEST[name] for name in ("instrument", "timeframe")}
    strategy = client.save_strategy({**own, "signals": {"long_entry": {"rising": [{"price": "close"}, 3]}}})
    said = "Opens long when the close has risen on 3 bars in a row; no signal closes it."
    for reference in (strategy.name, str(strategy.strategy_id)[:13]):
        told = run("explain", reference)
        assert told.exit_code == 0, told.stderr
        assert told.stdout.startswith(f"{said}\n\nconditions on 600 bars\n")
        assert "next:" not in told.stderr
    some = client.explain(strategy, start="2025-01-01", end="2025-01-02")
    assert (some.sentences, some.bars) == ((said,), 288)
    ranged = run("explain", strategy.name, "--start", "2025-01-01", "--end", "2025-01-02", "--json")
    assert json.loads(ranged.stdout)["bars"] == 288
    unknown = run("explain", "no-such-strategy")
    assert (unknown.exit_code, "no strategy of yours is meant by" in unknown.stderr) == (2, True)
    two = run("explain", "-", "--start", "2025-01-01", stdin=json.dumps(REQUEST))
    assert (two.exit_code, "the request has its time_range" in two.stderr) == (2, True)


def test_a_jobs_variant_is_saved_by_its_number(run: Run, client: Client):
    job = client.submit(REQUEST)
    created = run("strategy", "create", "--job", job.job_id, "--variant", 3, "--json")
    assert created.exit_code == 0, created.stderr
    assert json.loads(created.stdout)["spec"]["indicators"][1]["params"] == {"window": 25}


@pytest.mark.parametrize(
    ("args", "stdin", "told"),
    [
        (("strategy", "create", "-"), "{", "not JSON"),
        (("strategy", "create", "-"), '{"top": []}', "no rank 1"),
        (("strategy", "create", "-"), "[]", "error"),
        (("strategy", "create", "nowhere.json"), None, "cannot be read"),
        (("strategy", "show", "x"), None, "too short: give the id of a strategy"),
        (("job", "top", "nosuch"), None, "no job of yours is meant by 'nosuch'"),
        (("strategy", "list", "--indicator", "smaa"), None, "did you mean 'sma'?"),
        (("run", "list", "--state", "runing"), None, "running"),
        (("run", "start", "0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1", "--mode", "papier"), None, "'paper'"),
        (("run", "stop", "0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1"), None, "there is no run"),
    ],
)
def test_what_is_wrong_is_one_line_and_no_traceback(run: Run, args, stdin, told):
    result = run(*args, stdin=stdin)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_certificate_of_other_candles_is_not_comparable_and_ends_with_1(run: Run, tmp_path: Path):
    """Its differences are told as a person reads them."""
    certificate = Certificate.model_validate(certificates.CERTIFICATE)
    (tmp_path / "certificate.json").write_bytes(certificate.canonical_bytes())
    verified = run("verify", tmp_path / "certificate.json")
    assert verified.exit_code == 1
    assert "other candles" in verified.stdout
    assert "not comparable: the candles here are others" in verified.stdout


def test_a_certificate_names_what_the_backtest_of_today_says_and_by_which_minute(
    capsys: pytest.CaptureFixture[str],
):
    print_certificate(Certificate.model_validate(certificates.CERTIFICATE))
    told = capsys.readouterr().out
    assert "signal long, before short" in told
    assert "BTCUSDT 2026-01-05T12:03Z: high 93875 → 93895, close 93700 → 93890" in told
    assert "explained: over the candles it received the run has said what the backtest says" in told


def test_a_saved_strategy_is_checked_beside_itself_and_the_worst_case_is_named(run: Run, client: Client):
    strategy = saved(client, 12)
    asked = ("robustness", strategy.name, "--start", "2025-01-01", "--end", "2025-01-02", "--only", "costs")
    told = run(*asked)
    assert told.exit_code == 0, told.stderr
    assert "fees and slippage × 4" in told.stdout
    assert "Worst of 3 cases: " in told.stdout
    request = {
        "strategy_id": str(strategy.strategy_id),
        "time_range": {"start": "2025-01-01", "end": "2025-01-02"},
    }
    checked = client.robustness(request, checks=["costs"])
    assert json.loads(run(*asked, "--json").stdout) == checked.model_dump(mode="json")
    unknown = run(*asked[:-1], "luck")
    assert unknown.exit_code == 2
    assert "check" in unknown.stderr


def test_a_search_is_held_against_histories_of_chance_some_at_a_time(run: Run, client: Client, tmp_path: Path):
    file = tmp_path / "request.json"
    file.write_text(json.dumps(REQUEST))
    told = run("null", str(file), "--walks", "5", "--model", "blocks", "--seed", "3")
    assert told.exit_code == 0, told.stderr
    assert "the best of each history" in told.stdout
    assert "of 5 shuffles of these candles, a day of bars at a time: p " in told.stdout
    whole = client.null(REQUEST, 5, model="blocks", seed=3)
    parts = list(client.null_parts(REQUEST, 5, model="blocks", seed=3, at_once=2))
    assert [part.walks for part in parts] == [2, 4, 5]
    assert parts[-1].model_dump_json() == whole.model_dump_json()
    assert whole.best == client.backtest(REQUEST).top[0].total_return_pct
    assert client.trials(symbol="SAVECLIUSDT")[0].variants == 7
