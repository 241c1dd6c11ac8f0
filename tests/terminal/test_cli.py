"""The command line itself: errors of one line, exit codes, settings, versions, help."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint

import typer
from typer.testing import CliRunner

from candleray import __version__, cli
from candleray.sdk import connection
from candleray.settings import get_settings
from tests.support.command_line import REQUEST


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
