"""The SDK and the command line are light: quick to import, without the libraries that few calls need."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

LIBRARIES = ("pyarrow", "pandas", "numpy", "cryptography", "pyotp", "segno", "ray", "numba", "fastapi")
DRIVERS = ("chdb", "clickhouse_connect", "asyncpg", "redis")
OTHER_PACKAGES = ("kernels.jit", "kernels.indicators", "kernels.rules", "actors", "cluster", "serve_apps")
"""Every compiled kernel needs `kernels.jit`; the limits that prune are declared beside them in plain Python."""

LIMIT_S = 0.35
QUIET_REFERENCE_S = 0.15
"""CPU time of `REFERENCE` on the quiet machine that the limit is meant for."""
REFERENCE = "import httpx, pydantic.main"
CLIENT = "from candleray import Client"
ATTEMPTS = 7


def run_python(code: str) -> str:
    # With bytecode, as an installed package has it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    arguments = [sys.executable, "-c", code]
    return subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout


def loaded_by(code: str, modules: tuple[str, ...]) -> list[str]:
    """Return those of these modules that a fresh interpreter has loaded after this code."""
    names = json.loads(
        run_python(f"{code}\nimport json, sys; print(json.dumps(list(sys.modules)))").splitlines()[-1]
    )
    return sorted(set(modules).intersection(names))


def cpu_s(code: str) -> float:
    """CPU seconds of a fresh interpreter, from its start."""
    return float(run_python(f"{code}\nimport time; print(time.process_time())"))


def test_importing_candleray_loads_neither_pydantic_nor_httpx():
    assert loaded_by("import candleray", ("pydantic", "httpx", *LIBRARIES)) == []


def test_importing_the_client_loads_no_library_that_few_of_its_methods_need():
    assert loaded_by(CLIENT, (*LIBRARIES, *DRIVERS, *OTHER_PACKAGES)) == []


def test_importing_the_client_builds_no_model():
    code = (
        f"{CLIENT}\nfrom candleray.frozen_model import FrozenModel\n"
        "def below(model): return [model, *(one for sub in model.__subclasses__() for one in below(sub))]\n"
        "print([model.__name__ for model in below(FrozenModel) if model.__pydantic_complete__])"
    )
    assert run_python(code).strip() == "[]"


def test_the_expressions_of_signals_load_neither_pydantic_nor_any_library():
    unwanted = ("pydantic", "httpx", *LIBRARIES, *DRIVERS, *OTHER_PACKAGES)
    assert loaded_by("import candleray.sdk.signals", unwanted) == []


def test_a_client_is_opened_without_them_too():
    code = f"{CLIENT}; Client('http://127.0.0.1:1').close()"
    assert loaded_by(code, (*LIBRARIES, *DRIVERS, *OTHER_PACKAGES)) == []


def test_files_and_backfills_load_no_other_package_of_ours():
    code = "import candleray.market_data.backfill, candleray.market_data.files.candle_files"
    assert loaded_by(code, ("ray", "numba", "fastapi", *DRIVERS, *OTHER_PACKAGES)) == []


@pytest.mark.timeout(300)
def test_the_client_is_imported_within_a_third_of_a_second():
    cpu_s(CLIENT)  # writes the bytecode
    runs = [(cpu_s(REFERENCE), cpu_s(CLIENT)) for _ in range(ATTEMPTS)]
    reference_s, client_s = (min(column) for column in zip(*runs, strict=True))
    # A busy machine slows both alike: each core is shared, and so are its caches.
    assert client_s < LIMIT_S * max(1.0, reference_s / QUIET_REFERENCE_S)


def test_loading_every_command_loads_no_library_that_few_of_them_need():
    code = (
        "from candleray.cli import find_commands\n"
        "sources = [source for source in find_commands().values() if source.module.startswith('candleray.')]\n"
        "assert len(sources) > 10\n"
        "for source in sources: source.load()"
    )
    assert loaded_by(code, (*LIBRARIES, *DRIVERS, *OTHER_PACKAGES, "httpx")) == []


def test_help_loads_no_command_and_no_model():
    code = (
        "from typer.testing import CliRunner; from candleray import cli\n"
        "assert CliRunner().invoke(cli.app, ['--help']).exit_code == 0"
    )
    unwanted = ("pydantic", "httpx", "candleray.commands.candles", *LIBRARIES, *DRIVERS, *OTHER_PACKAGES)
    assert loaded_by(code, unwanted) == []


def test_a_command_of_the_client_loads_no_library_that_it_does_not_need():
    code = (
        "from typer.testing import CliRunner; from candleray import cli; from candleray.sdk import connection\n"
        "connection.RETRY_DELAYS_S = ()\n"
        "assert CliRunner().invoke(cli.app, ['candles', '--api', 'http://127.0.0.1:1']).exit_code == 1"
    )
    assert loaded_by(code, (*LIBRARIES, *DRIVERS, *OTHER_PACKAGES)) == []
