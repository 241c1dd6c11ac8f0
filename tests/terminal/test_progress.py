"""Long work: lines without a terminal, and words on Ctrl-C."""

from __future__ import annotations

import threading

import pytest
import typer
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from candleray.terminal import progress as shown
from candleray.terminal.exit_codes import ExitCode
from candleray.terminal.hints import here, interruptible, show_next
from candleray.terminal.inserted_rows import ROW_COLUMNS
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "LINE_EVERY_S", 0.01)


def test_without_a_terminal_a_line_comes_every_few_seconds_until_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    printed = []

    def line_came() -> bool:
        printed.extend(capfd.readouterr().err.splitlines())
        return len(printed) > 2

    with shown.progress(*ROW_COLUMNS) as display:
        bar = display.add_task("BTCUSDT", total=2000)
        display.update(bar, completed=1000)
        wait_until(line_came, every_s=0.01, what="lines")
    assert printed[0].startswith("0 s: BTCUSDT  1,000 of 2,000 rows")
    assert "\x1b" not in "".join(printed)
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(_tell)")]


def test_a_line_says_nothing_of_what_is_not_known(capfd: pytest.CaptureFixture[str]) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with shown.progress(*columns) as display:
        display.add_task("queued", total=None)
        display.add_task("begun", total=10)
        assert list(shown._lines(display)) == ["queued", "begun  0%"]


def test_work_that_tells_nothing_shows_the_time_so_far(capfd: pytest.CaptureFixture[str]) -> None:
    with shown.working("searching"):
        wait_until(lambda: "0 s: searching\n" in capfd.readouterr().err, every_s=0.01, what="a line")


def test_ctrl_c_says_what_goes_on_and_is_an_exit_code_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, interruptible("job 7 goes on"):
        raise KeyboardInterrupt
    assert left.value.exit_code == ExitCode.INTERRUPTED == 130
    assert capfd.readouterr().err == "stopped by Ctrl-C: job 7 goes on\n"


def test_next_commands_carry_the_place_that_was_given(capfd: pytest.CaptureFixture[str], tmp_path) -> None:
    folder = tmp_path / "my candles"
    show_next(f"candles{here(None, folder)}", f"status{here(None, None)}")
    written = capfd.readouterr()
    assert written.out == ""
    assert written.err.splitlines()[1:] == [
        "next:",
        f"  candleray candles --data '{folder}'",
        "  candleray status",
    ]
