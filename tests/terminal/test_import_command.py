"""`candleray import`: what is counted, what is refused and why, and what stops nothing."""

from __future__ import annotations

import gzip
import time

import numpy as np
import pytest

from candleray.timeframes import MINUTE_MS
from tests.support.command_line import csv_of, minutes


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
