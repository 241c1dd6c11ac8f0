"""The public surface of `candleray`: what is exported is what there is, and costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import candleray
from candleray.errors import Problem, error_classes

FORBIDDEN = ("ray", "numba", "kernels", "fastapi", "chdb", "clickhouse_connect", "asyncpg", "redis")


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_everything_exported_is_there_and_every_error_is_exported():
    errors = {cls.__name__ for cls in error_classes().values() if cls.__module__ == "candleray.errors"}
    assert set(candleray.__all__) == {"Client", "Problem", "__version__"} | errors
    assert all(getattr(candleray, name) is not None for name in candleray.__all__)
    assert candleray.Problem is Problem
    assert dir(candleray) == candleray.__all__ == sorted(candleray.__all__)


def test_an_unknown_member_is_an_attribute_error():
    assert not hasattr(candleray, "Klient")


def test_importing_candleray_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time; started = time.perf_counter(); import candleray; "
        "print(time.perf_counter() - started, 'pydantic' in sys.modules, 'httpx' in sys.modules)"
    )
    seconds, *heavy = run_python(code).split()
    assert heavy == ["False", "False"]
    assert float(seconds) < 0.3


def test_the_client_loads_neither_ray_nor_numba_nor_kernels_nor_a_driver():
    code = (
        "import sys; from candleray import Client; Client('http://127.0.0.1:1').close(); "
        "import candleray.backtests.result, candleray.market_data.backfill, candleray.market_data.candle_files; "
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_no_command_of_the_command_line_loads_ray_or_numba():
    code = (
        "import sys; from candleray.cli import find_commands; "
        "[source.load() for source in find_commands().values() if source.module.startswith('candleray.')]; "
        "import candleray.terminal.inserted_rows, candleray.terminal.console; "
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_help_and_a_command_of_the_client_load_no_other_package_of_ours():
    others = (*FORBIDDEN, "cluster", "serve_apps", "actors")
    code = (
        "import sys; from typer.testing import CliRunner; "
        "from candleray import cli; from candleray.sdk import connection; "
        "connection.RETRY_DELAYS_S = (); run = CliRunner().invoke; "
        "assert run(cli.app, ['--help']).exit_code == 0; "
        "assert run(cli.app, ['candles', '--api', 'http://127.0.0.1:1']).exit_code == 1; "
        f"print([name for name in {others!r} if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"
