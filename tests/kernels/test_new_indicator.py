"""One new file is a new indicator: in the API, its schema, the contracts and the reference page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("kernels", "candleray", "actors", "cluster", "serve_apps", "configs", "docs", "tests")

ASK = """
import asyncio, json
from tests.support import embedded
from tests.support.in_process_api import backend, serving

async def ask():
    async with serving(backend(object())) as api:
        return [(await api.get(path)).json() for path in ("/indicators", "/openapi.json")]

print(json.dumps(asyncio.run(ask())))
embedded.stop_services()
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with one file more."""
    copy = tmp_path_factory.mktemp("house")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    nearest = (ROOT / "kernels" / "indicators" / "wma.py").read_text()
    (copy / "kernels" / "indicators" / "novel_mean.py").write_text(nearest.replace("wma", "novel_mean"))
    return copy


def run(house: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(house), "NUMBA_CACHE_DIR": str(house / "compiled")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=house, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_api_lists_it_and_its_schema_takes_it(house: Path):
    listed, document = json.loads(run(house, "-c", ASK).splitlines()[-1])
    [new] = [one for one in listed if one["id"] == "novel_mean"]
    assert [param["name"] for param in new["params"]] == ["window"]
    schemas: dict[str, Any] = document["components"]["schemas"]
    assert schemas["NovelMeanAxes"]["properties"]["id"]["const"] == "novel_mean"
    assert schemas["NovelMeanParams"]["properties"]["window"]["default"] == new["params"][0]["default"]
    for request in ("BacktestRequest-Input", "SeriesRequest", "StrategyDraft"):
        assert "NovelMean" in json.dumps(schemas[request]), request


def test_the_contracts_hold_it(house: Path):
    told = run(house, "-m", "pytest", "-q", "tests/kernels/test_indicator_contracts.py", "-k", "novel_mean")
    assert " passed" in told


def test_the_reference_page_shows_it(house: Path):
    run(house, "docs/generate.py")
    assert "(`novel_mean`)" in (house / "docs" / "reference" / "indicators.md").read_text()
