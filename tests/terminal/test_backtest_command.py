"""Commands that search and compute: backtest, explain, compute, and the best of a job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from uuid import uuid4

from candleray.commands.job import _print_top
from candleray.jobs.job import BestVariant, JobTop
from candleray.sdk.client import Client
from candleray.timeframes import DAY_MS, MINUTE_MS
from tests.support.command_line import REQUEST, START_MS, SYMBOL


def test_a_backtest_prints_the_ranked_table_the_best_report_and_the_phases(run, request_file):
    result = run("backtest", request_file, "--top", 3)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == f"binance-spot {SYMBOL} 5m, 2025-01-02T00:00:00Z to 2025-01-04T00:00:00Z, long-short"
    assert lines[1].split("  ")[:2] == ["rank", "sma.window"]
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "3"]
    assert lines[5].startswith("19 of 19 variants over 574 bars")
    assert any(line.startswith("Sharpe Ratio") for line in lines)
    assert lines[-1].startswith("phases: candles ")


def test_a_backtest_without_report_is_the_table_alone(run, request_file):
    assert "Expectancy" not in run("backtest", request_file, "--no-report").stdout


def test_a_backtest_ranked_by_a_metric_shows_it_and_what_was_left_out(run, request_file):
    answer = json.loads(run("backtest", request_file, "--json").stdout)
    least = sorted(row["metrics"]["Num. Trades"] for row in answer["top"])[9]
    result = run("backtest", request_file, "--rank-by", "profit_factor", "--min-trades", least, "--no-report")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[1].split("  ")[1:3] == ["sma.window", "Profit Factor"]
    (note,) = (line for line in lines if line.startswith("19 of 19 variants"))
    assert "; ranked by Profit Factor, the highest first; pruned " in note
    assert " by min_trades" in note


def test_an_option_takes_the_place_of_what_the_request_says(run):
    said = json.dumps({**REQUEST, "rank_by": "sqn"}).encode()
    answer = json.loads(run("backtest", "-", "--rank-by", "Max. Drawdown [%]", "--json", stdin=said).stdout)
    assert answer["request"]["rank_by"] == "max_drawdown"
    falls = [row["metrics"]["Max. Drawdown [%]"] for row in answer["top"]]
    assert falls == sorted(falls)


def test_an_unknown_metric_is_answered_with_the_nearest(run, request_file):
    result = run("backtest", request_file, "--rank-by", "sharp")
    assert result.exit_code == 2
    assert "rank_by: unknown metric 'sharp'; did you mean 'sharpe_ratio'?" in result.stderr


def test_the_best_of_a_job_show_the_metric_that_ranks_them(capsys):
    strategy = {"indicators": [{"id": "sma", "params": {"window": 20}}]}
    row = BestVariant(
        rank=1,
        variant_index=7,
        total_return_pct=5.5,
        conflicting_signals=0,
        metrics={"Sharpe Ratio": 1.25},
        strategy=strategy,
    )
    about = {"job_id": uuid4(), "state": "running", "partial": True, "variants_done": 1, "simulations": 2}
    _print_top(JobTop(**about, ranked_by="Sharpe Ratio", top=(row,)))
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:3]] == [
        ["rank", "variant", "Sharpe", "Ratio", "Total", "Return", "[%]"],
        ["1", "7", "1.25", "5.5000"],
    ]


def test_backtest_json_is_the_answer_of_the_api(run, request_file, api_url):
    printed = run("backtest", request_file, "--json").stdout
    with Client(api_url) as client:
        expected = json.loads(client.send("POST", "/backtests", content=request_file.read_bytes()))
    answer = json.loads(printed)
    assert answer.pop("elapsed_s").keys() == expected.pop("elapsed_s").keys()
    assert answer == expected
    assert not printed.endswith("\n")


def test_a_backtest_reads_the_request_from_stdin(run):
    assert run("backtest", "-", stdin=json.dumps(REQUEST).encode()).exit_code == 0


def test_explain_prints_the_sentence_each_condition_and_the_first_signals(run, request_file, api_url):
    result = run("explain", request_file, "--variant", 3)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert lines[0].startswith("Opens long when SMA(10 to 100 by 5) says long; closes when the short entry's")
    assert lines[3] == "variant 3 of 19:"
    assert lines[4].startswith("Opens long when SMA(25) says long")
    assert lines[7:9] == [
        "conditions on 574 bars",
        "path          true bars  true %  unknown  condition",
    ]
    assert lines[9].split()[0] == "indicators.0"
    assert lines[12].endswith("Z")
    assert "bars may open long, the first 2025-01-02T" in lines[12]
    with Client(api_url) as client:
        expected = client.explain(request_file.read_bytes(), 3)
    assert json.loads(run("explain", request_file, "--variant", 3, "--json").stdout) == expected.model_dump(
        mode="json"
    )


def test_compute_prints_a_table_csv_or_json(run):
    command = ("compute", "sma", "window=20", "source=hlc3", "--market", "1", "--symbol", SYMBOL, "--last", "50")
    table, csv = run(*command, "--top", 3).stdout.splitlines(), run(*command, "--csv").stdout.splitlines()
    assert table[0] == f"sma (source hlc3, window 20) of binance-spot {SYMBOL} 1m"
    assert len(table) == 5
    assert (csv[0], len(csv)) == ("ts_open_ms,sma", 51)
    assert csv[-1].split(",")[0] == str(START_MS + 4 * DAY_MS - MINUTE_MS)
    assert len(json.loads(run(*command, "--json").stdout)["ts_open_ms"]) == 50
    assert run("compute", "sma", "window=much", "--market", "1", "--symbol", SYMBOL).exit_code == 2


def test_output_in_a_pipe_is_complete_and_plain_however_narrow_the_terminal(api_url, request_file):
    command = [sys.executable, "-m", "candleray", "backtest", str(request_file), "--api", api_url]
    home = os.environ["XDG_CONFIG_HOME"]
    environment = {"COLUMNS": "20", "PATH": "", "TERM": "xterm-256color", "XDG_CONFIG_HOME": home}
    printed = subprocess.run(command, check=True, capture_output=True, env=environment).stdout.decode()
    assert "\x1b" not in printed
    assert "…" not in printed
    assert printed.splitlines()[0].endswith("long-short")
