"""The command line: tables for people, bytes for programs, one line for an error."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from candleray import __version__, cli
from candleray.commands.job import _print_top
from candleray.jobs.job import BestVariant, JobTop
from candleray.markets import MARKETS, InstrumentReference
from candleray.sdk import connection
from candleray.sdk.client import Client
from candleray.settings import get_settings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import DAY_MS, MINUTE_MS
from serve_apps.simulator import build_simulator
from tests.support.api.served import served, served_api

START_MS = 1_735_689_600_000  # 2025-01-01
SYMBOL = "CLIUSDT"
REQUEST = {
    "instrument": {"market_id": 1, "symbol": SYMBOL},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-02", "end": "2025-01-04"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 10, "stop": 100, "step": 5}}}],
}
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def api_url(embedded_store) -> Iterator[str]:
    """An API with four days of one instrument, eleven minutes of which are missing."""
    rows = GeneratedCandles().candles(MARKETS[1], "BTCUSDT", START_MS, START_MS + 4 * DAY_MS)
    kept = np.delete(np.arange(len(rows)), [100, *range(2000, 2010)])
    embedded_store.insert(1, SYMBOL, rows.take(kept))
    embedded_store.put_instruments([InstrumentReference(market_id=1, symbol=SYMBOL, price_tick=0.01)])
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture
def run(api_url) -> Run:
    """Runs a command against that API; stdout and stderr are apart."""

    def invoke(*args: object, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(cli.app, [*map(str, args), "--api", api_url], input=stdin)

    return invoke


@pytest.fixture
def request_file(tmp_path) -> Path:
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    return path


def csv_of(rows: np.ndarray) -> bytes:
    lines = [f"{int(ts)},{','.join(f'{value:.10g}' for value in values)}" for ts, *values in rows]
    return "\n".join(["ts_open,open,high,low,close,volume", *lines]).encode()


def minutes(count: int, first: int = 0) -> np.ndarray:
    """`(count, 6)`: stamps and plain candles."""
    stamps = START_MS + (first + np.arange(count)) * MINUTE_MS
    close = 100 + np.arange(count) % 7
    return np.column_stack([stamps, close, close + 1, close - 1, close, np.full(count, 2.0)])


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


def test_wrong_input_is_one_line_and_one_for_each_field_and_exit_code_2(run):
    wrong = {**REQUEST, "timeframe": "7m", "indicators": [{"id": "smaa"}]}
    result = run("backtest", "-", stdin=json.dumps(wrong).encode())
    first, *fields = result.stderr.splitlines()
    assert result.exit_code == 2
    assert first.startswith("error: the request is not valid: ")
    assert [line.split(":")[0] for line in fields] == ["  indicators.0", "  timeframe"]
    assert (result.stdout, "Traceback" in result.stderr) == ("", False)


def test_malformed_json_says_where(run):
    result = run("backtest", "-", stdin=b'{"timeframe": ')
    assert result.exit_code == 2
    assert "line 1, column 15" in result.stderr


def test_a_request_file_that_is_not_there_is_wrong_input(run, tmp_path):
    result = run("backtest", tmp_path / "none.json")
    assert result.exit_code == 2
    assert "No such file" in result.stderr


def test_where_nothing_listens_the_exit_code_is_1_and_the_line_says_what_to_do(monkeypatch):
    monkeypatch.setattr(connection, "RETRY_DELAYS_S", ())
    result = CliRunner().invoke(cli.app, ["candles", "--api", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no Candleray API at http://127.0.0.1:1: start one with `candleray up`")
    assert len(result.stderr.splitlines()) == 1


def test_a_data_folder_without_an_instance_is_named(tmp_path):
    result = CliRunner().invoke(cli.app, ["candles", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert f"no instance runs in {tmp_path}" in result.stderr


def test_the_instance_of_a_data_folder_is_found(tmp_path, api_url):
    (tmp_path / "instance.json").write_text(json.dumps({"api_url": api_url}))
    assert CliRunner().invoke(cli.app, ["indicators", "--data", str(tmp_path)]).exit_code == 0


def test_candles_shows_coverage_and_every_gap(run):
    result = run("candles", "--market", "binance-spot", "--symbol", SYMBOL)
    lines = result.stdout.splitlines()
    assert lines[0].split("  ")[0] == "market"
    assert lines[1].split() == [
        "binance-spot",
        SYMBOL,
        "2025-01-01T00:00Z",
        "2025-01-04T23:59Z",
        "5,749",
        "11",
        "2",
    ]
    assert [line.split()[-1] for line in lines[-2:]] == ["1", "10"]
    assert lines[-1].startswith("2025-01-02T09:20Z     2025-01-02T09:30Z")


def test_candles_of_an_unknown_symbol_offers_the_nearest(run):
    result = run("candles", "--market", "binance-spot", "--symbol", "cliusd")
    assert result.exit_code == 2
    assert f"did you mean '{SYMBOL}'?" in result.stderr


def test_indicators_are_listed_and_one_is_described(run):
    assert {"sma", "ema", "rsi", "atr", "bbands"} <= {
        line.split()[0] for line in run("indicators").stdout.splitlines()
    }
    described = run("indicators", "rsi").stdout
    assert "Relative Strength Index" in described
    assert any(line.startswith("signal  long_threshold") for line in described.splitlines())
    assert run("indicators", "rsy").exit_code == 2
    assert json.loads(run("indicators", "rsi", "--json").stdout)["id"] == "rsi"


def test_instruments_are_found_by_a_part_of_the_symbol(run):
    lines = run("instruments", "CLIU").stdout.splitlines()
    assert lines[1].split()[:2] == ["binance-spot", SYMBOL]
    assert json.loads(run("instruments", "CLIU", "--json").stdout)[0]["price_tick"] == 0.01
    assert run("instruments", "find", "CLIU").stdout.splitlines() == lines, "`find` may be left out"
    assert run("instruments", "--market", "bybit-spot", "CLIU").stdout.splitlines()[1:] == []


def test_instruments_are_refreshed_market_by_market_and_their_changes_told(run, embedded_store):
    assert [line.split()[0] for line in run("instruments", "refresh").stdout.splitlines()[1:]] == [
        market.name for market in MARKETS.values()
    ]
    # Of a list without nearly all that are known nothing is taken, and the other markets are read all the same.
    embedded_store.put_instruments(
        [InstrumentReference(market_id=3, symbol=f"GONE{number}USDT", status="Trading") for number in range(30)]
    )
    refused = run("instruments", "refresh")
    assert (refused.exit_code, len(refused.stdout.splitlines())) == (1, 4)
    listed = re.search(r"bybit-spot lists (\d+) instruments and lacks 30 of the (\d+) known ones", refused.stderr)
    assert listed
    assert int(listed[2]) == int(listed[1]) + 30
    taken = run("instruments", "refresh", "--market", "bybit-spot", "--may-shrink").stdout.splitlines()[1]
    assert taken.split() == ["bybit-spot", listed[1], "30", "30", "delisted"]
    told = run("instruments", "changes", "--symbol", "gone7usdt").stdout.splitlines()
    assert [line.split()[2:] for line in told[1:]] == [
        ["bybit-spot", "GONE7USDT", "delisted", "Trading", "–"],
        ["bybit-spot", "GONE7USDT", "listed", "–", "Trading"],
    ]
    assert run("instruments", "changes", "--since", "2100-01-01", "--json").stdout.strip() == "[]"


def test_subscriptions_are_added_listed_asked_for_and_removed(run):
    run("instruments", "refresh", "--market", "binance-futures")
    market = ("--market", "binance-futures")
    assert run("subscriptions", "add", "btcusdt", "ETHUSDT", *market).stdout == "added: BTCUSDT, ETHUSDT\n"
    assert run("subscriptions", "add", "BTCUSDT", *market).stdout == "subscribed already: BTCUSDT\n"
    wrong = run("subscriptions", "add", "BTCUSD", *market)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "binance-futures has no symbol 'BTCUSD'; did you mean 'BTCUSDT'?" in wrong.stderr
    wish = run("subscriptions", "ask", "SOLUSDT", *market).stdout.splitlines()[1].split()
    assert wish[1:4] == ["binance-futures", "SOLUSDT", "waiting"]
    waiting = json.loads(run("subscriptions", "requests", "--waiting", "--json").stdout)
    assert wish[0] in [one["request_id"] for one in waiting]
    refused = run("subscriptions", "refuse", wish[0][:8], "--reason", "too thin").stdout.splitlines()[1]
    assert refused.split()[3] == "refused"
    assert refused.endswith("too thin")
    assert run("subscriptions", "remove", "BTCUSDT", *market).stdout == "removed: BTCUSDT\n"
    listed = run("subscriptions", "list", *market).stdout.splitlines()
    assert [line.split()[:3] for line in listed[1:]] == [["binance-futures", "ETHUSDT", "operator"]]
    assert run("subscriptions", "remove", "BTCUSDT", *market).exit_code == 2


def test_compute_prints_a_table_csv_or_json(run):
    command = ("compute", "sma", "window=20", "source=hlc3", "--market", "1", "--symbol", SYMBOL, "--last", "50")
    table, csv = run(*command, "--top", 3).stdout.splitlines(), run(*command, "--csv").stdout.splitlines()
    assert table[0] == f"sma (source hlc3, window 20) of binance-spot {SYMBOL} 1m"
    assert len(table) == 5
    assert (csv[0], len(csv)) == ("ts_open_ms,sma", 51)
    assert csv[-1].split(",")[0] == str(START_MS + 4 * DAY_MS - MINUTE_MS)
    assert len(json.loads(run(*command, "--json").stdout)["ts_open_ms"]) == 50
    assert run("compute", "sma", "window=much", "--market", "1", "--symbol", SYMBOL).exit_code == 2


def test_import_counts_rows_and_names_what_was_refused(run, tmp_path):
    rows = minutes(300)
    rows[7, 0] += 20_799  # off the minute, as on Binance in 2017
    rows[9, 2] = 1  # high below low
    file = tmp_path / "rows.csv"
    file.write_bytes(csv_of(rows))
    result = run("import", file, "--market", "binance-spot", "--symbol", "cliimpa")
    assert result.exit_code == 0
    assert "300 rows read, 298 written, 0 unchanged, 2 refused" in result.stdout
    assert "refused 1: opens off the minute; first: row 9: 2025-01-01T00:07:20.799Z" in result.stdout
    assert "refused 1: high below low; first: row 11: " in result.stdout
    again = run("import", file, "--market", "binance-spot", "--symbol", "CLIIMPA")
    assert "300 rows read, 0 written, 298 unchanged, 2 refused" in again.stdout


def test_a_file_that_fails_does_not_stop_the_others_and_makes_the_exit_code_1(run, tmp_path):
    good, torn, wrong = tmp_path / "good.csv.gz", tmp_path / "torn.csv.gz", tmp_path / "wrong.csv"
    good.write_bytes(gzip.compress(csv_of(minutes(50))))
    torn.write_bytes(gzip.compress(csv_of(minutes(50, first=50)))[:-20])
    wrong.write_text("a,b\n1,2\n")
    result = run("import", torn, wrong, tmp_path / "none.csv", good, "--market", "1", "--symbol", "CLIIMPB")
    assert result.exit_code == 1
    assert [line.split(": ")[1] for line in result.stderr.splitlines()[:3]] == [
        str(torn),
        str(wrong),
        str(tmp_path / "none.csv"),
    ]
    assert result.stderr.splitlines()[-1] == "3 of 4 files failed"
    assert f"{good}: 50 rows read, 50 written" in result.stdout
    assert "4 files: 50 rows read, 50 written" in result.stdout


def test_standard_input_is_read_whole(run):
    result = run("import", "-", "--market", "1", "--symbol", "CLIIMPD", stdin=csv_of(minutes(1440)))
    assert result.exit_code == 0
    assert "-: 1,440 rows read, 1,440 written, 0 unchanged, 0 refused" in result.stdout


def test_a_file_whose_rows_are_all_refused_has_failed(run, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(
        'timestamp,open,high,low,close,volume\n1735689600000,"1,000.5","1,001.0","999.0","1,000.0",5\n'
    )
    result = run("import", file, "--market", "1", "--symbol", "CLIIMPE")
    assert result.exit_code == 1
    assert "1 rows read, 0 written, 0 unchanged, 1 refused" in result.stdout
    assert f"{file}: every row was refused, nothing was imported" in result.stderr
    assert result.stderr.splitlines()[-1] == "1 of 1 files failed"


def test_a_file_that_contradicts_the_command_gives_no_row_and_the_others_go_on(run, tmp_path):
    days, old_mac = tmp_path / "CLIIMPF-1d-2025-01-01.csv", tmp_path / "mac.csv"
    days.write_text("1735689600000,93576,95151,92888,94591,103,1735775999999,975,15,51,48,0\n")
    old_mac.write_bytes(csv_of(minutes(50)).replace(b"\n", b"\r"))
    result = run("import", days, old_mac, "--market", "1", "--symbol", "CLIIMPF")
    assert result.exit_code == 1
    assert f"{days}: has candles of 86,400 s by their close times" in result.stderr
    assert f"{old_mac}: 50 rows read, 50 written" in result.stdout
    assert result.stderr.splitlines()[-1] == "1 of 2 files failed"


def test_rows_that_are_not_closed_are_refused_by_the_file_or_by_the_clock_and_counted(run, tmp_path):
    now_ms = time.time_ns() // 60_000_000_000 * MINUTE_MS
    rows = minutes(20)
    rows[:, 0] = now_ms + (np.arange(20) - 18) * MINUTE_MS  # the last two: the minute under way, and the next
    lines = csv_of(rows).decode().splitlines()
    told = [f"{lines[0]},confirm", *(f"{line},{int(row != 5)}" for row, line in enumerate(lines[1:]))]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(told))
    result = run("import", file, "--market", "1", "--symbol", "CLIIMPG")
    assert result.exit_code == 0
    assert "refused 1: does not say that it is closed; first: row 7: " in result.stdout
    assert "not closed yet; first: row 2" in result.stdout


def test_dates_of_bybits_archive_are_converted_and_the_report_says_so(run, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("2025.01.01 03:00,10,12,9,11,5\n2025.01.01 03:01,10,12,9,11,5\n")
    result = run("import", file, "--market", "bybit-futures", "--symbol", "CLIIMPH")
    assert result.exit_code == 0
    report = " ".join(result.stdout.split())
    assert "dates like '2025.01.01 03:00' are of UTC+3" in report
    assert "was read as 2025-01-01T00:00:00Z" in report
    elsewhere = run("import", file, "--market", "binance-spot", "--symbol", "CLIIMPH")
    assert elsewhere.exit_code == 1
    assert "in MetaTrader's style, which does not say their zone" in elsewhere.stderr


@pytest.mark.parametrize(("option", "value"), [("--market", "binance"), ("--symbol", "BTC-USDT")])
def test_import_into_an_instrument_that_cannot_be_is_wrong_input(run, tmp_path, option, value):
    place = {"--market": "binance-spot", "--symbol": "CLIIMPC"} | {option: value}
    result = run("import", tmp_path / "never-read.csv", *(part for pair in place.items() for part in pair))
    assert result.exit_code == 2
    assert value in result.stderr


def test_backfill_fetches_what_is_missing_and_names_what_the_exchange_lacks(run, embedded_store):
    clock_s = (START_MS + 10 * DAY_MS) / 1000
    with served(build_simulator(clock=lambda: clock_s)) as url:
        where = ("--market", "bybit-spot", "--url", url, "--start", "2025-01-01", "--end", "2025-01-03")
        first = run("backfill", *where, "--symbol", "BTCUSDT", "--symbol", "NOPEUSDT")
        again = run("backfill", *where, "--symbol", "BTCUSDT")
    assert first.exit_code == 2
    assert "2,880 minutes were missing, 2,880 fetched, 2,880 written, 0 still missing" in first.stdout
    assert "NOPEUSDT" in first.stderr
    assert "did you mean" in first.stderr
    assert again.exit_code == 0
    assert "0 minutes were missing, 0 fetched" in again.stdout
    assert len(embedded_store.read(3, "BTCUSDT", START_MS, START_MS + 2 * DAY_MS)) == 2880
    assert embedded_store.instruments(3, "BTCUSDT")[0].status


def test_a_backfill_by_the_instance_needs_no_address_and_names_a_symbol_that_there_is_not(run, embedded_store):
    where = ("--market", "bybit-futures", "--start", "2025-01-01", "--end", "2025-01-03")
    result = run("backfill", *where, "--symbol", "ETHUSDT", "--symbol", "NOPEUSDT")
    assert result.exit_code == 2
    assert "2,880 minutes were missing, 2,880 fetched, 2,880 written, 0 still missing" in result.stdout
    assert "did you mean" in result.stderr
    assert len(embedded_store.read(4, "ETHUSDT", START_MS, START_MS + 2 * DAY_MS)) == 2880


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [("yesterday", "2025-01-02", "not a time"), ("2025-01-02", "2025-01-01", "must be before")],
)
def test_backfill_refuses_a_range_that_is_none(run, start, end, told):
    result = run("backfill", "--market", "1", "--symbol", "BTCUSDT", "--start", start, "--end", end)
    assert result.exit_code == 2
    assert told in result.stderr


def test_config_shows_no_secret(monkeypatch):
    monkeypatch.setenv("CANDLERAY_SERVICES__POSTGRES_URL", "postgresql://me:hidden@host/db")
    monkeypatch.setenv("CANDLERAY_API__PORT", "8123")
    get_settings.cache_clear()
    table, as_json = (CliRunner().invoke(cli.app, ["config", *option]).stdout for option in ([], ["--json"]))
    get_settings.cache_clear()
    assert ["api.port", "8123"] in [line.split() for line in table.splitlines()]
    assert json.loads(as_json)["api"]["port"] == 8123
    assert "hidden" not in table + as_json


def test_a_wrong_setting_is_wrong_input(monkeypatch):
    monkeypatch.setenv("CANDLERAY_API__PORT", "nowhere")
    get_settings.cache_clear()
    result = CliRunner().invoke(cli.app, ["config"])
    assert result.exit_code == 2
    assert "api.port" in result.stderr


def test_output_in_a_pipe_is_complete_and_plain_however_narrow_the_terminal(api_url, request_file):
    command = [sys.executable, "-m", "candleray", "backtest", str(request_file), "--api", api_url]
    home = os.environ["XDG_CONFIG_HOME"]
    environment = {"COLUMNS": "20", "PATH": "", "TERM": "xterm-256color", "XDG_CONFIG_HOME": home}
    printed = subprocess.run(command, check=True, capture_output=True, env=environment).stdout.decode()
    assert "\x1b" not in printed
    assert "…" not in printed
    assert printed.splitlines()[0].endswith("long-short")


def test_the_version_is_the_distribution_s_with_the_commit_of_a_checkout(monkeypatch):
    told = []
    for commit in ("0123456789abcdef" * 2 + "01234567", None):
        monkeypatch.setattr("candleray.build.own_commit", lambda commit=commit: commit)
        told.append(CliRunner().invoke(cli.app, ["--version"]).stdout.strip())
    assert told == [f"candleray {__version__} (commit 0123456789ab)", f"candleray {__version__}"]


def test_a_mistyped_command_offers_the_nearest():
    result = CliRunner().invoke(cli.app, ["bakctest"])
    assert result.exit_code == 2
    assert "backtest" in result.stderr


def test_commands_of_other_packages_are_listed_without_importing_them(monkeypatch, tmp_path):
    (tmp_path / "elsewhere.py").write_text('def dance():\n    """Dance a little."""\n    print("dancing")\n')
    (tmp_path / "broken.py").write_text('raise RuntimeError("not today")\n')
    points = [("dance", "elsewhere:dance"), ("broken", "broken:run"), ("absent", "no_such_module:run")]
    points += [("backtest", "elsewhere:dance")]
    found = [EntryPoint(name, value, cli.ENTRY_POINTS) for name, value in points]
    monkeypatch.setattr(cli, "entry_points", lambda group: found)
    monkeypatch.syspath_prepend(str(tmp_path))
    app = typer.Typer(cls=cli.CommandGroup)
    app.callback()(lambda: None)

    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert "Dance a little." in shown
    assert "(not installed)" in shown
    assert "Search a grid" in shown  # no other package can take a name of ours
    assert not {"elsewhere", "broken"} & set(sys.modules)
    assert CliRunner().invoke(app, ["dance"]).stdout == "dancing\n"
    for name, reason in (("broken", "not today"), ("absent", "no_such_module")):
        result = CliRunner().invoke(app, [name])
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: the command '{name}' cannot be loaded: ")
        assert reason in result.stderr


def test_an_unexpected_error_is_one_line_unless_the_traceback_is_asked_for(monkeypatch, tmp_path):
    (tmp_path / "faulty.py").write_text("def divide():\n    1 / 0\n")
    monkeypatch.setattr(cli, "entry_points", lambda group: [EntryPoint("divide", "faulty:divide", group)])
    monkeypatch.syspath_prepend(str(tmp_path))
    app = typer.Typer(cls=cli.CommandGroup)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["divide"])
    assert result.exit_code == 1
    assert (
        result.stderr == "error: ZeroDivisionError: division by zero (the same command with --debug shows where)\n"
    )
    assert isinstance(CliRunner().invoke(app, ["divide", "--debug"]).exception, ZeroDivisionError)


def test_every_command_has_help_with_an_example():
    for name, source in cli.find_commands().items():
        if source.module.startswith("candleray."):
            shown = CliRunner().invoke(cli.app, [name, "--help"]).stdout
            assert "Example:" in shown, name


def test_candles_are_shown_as_they_were_known_and_revisions_with_their_sources(run, tmp_path):
    symbol, place = "CLIREVUSDT", ("--market", "binance-spot", "--symbol", "CLIREVUSDT")
    for name, volume in (("first.csv", 2.0), ("second.csv", 3.0)):
        rows = minutes(4)
        rows[2, 5] = volume
        (tmp_path / name).write_bytes(csv_of(rows))
        assert run("import", tmp_path / name, *place).exit_code == 0
    told = json.loads(run("revisions", *place, "--json").stdout)
    assert [(one["version"], one["volume"], one["source"]) for one in told] == [(1, 2.0, "file"), (2, 3.0, "file")]
    table = run("revisions", *place).stdout.splitlines()
    assert [line.split()[0] for line in table[1:]] == ["2025-01-01T00:02Z"] * 2
    for version in told:
        shown = run("candles", *place, "--as-of", version["seen_at"], "--limit", 2).stdout.splitlines()
        assert [line.split()[-1] for line in shown[1:]] == [str(int(version["volume"])), "2"]
    for arguments, words in (
        (("candles", "--as-of", "2026-01-01"), "say --market and --symbol too"),
        (("candles", *place, "--limit", 3), "--start and --limit belong to --as-of"),
        (("candles", *place, "--as-of", "2026-01-01"), "is before the first version of any candle"),
    ):
        refused = run(*arguments)
        assert refused.exit_code != 0
        assert words in str(refused.exception) + refused.stderr, (symbol, refused)
