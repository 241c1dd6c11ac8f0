"""One new file is a new indicator: in the API, its schema, the contracts and the reference page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.house_copy import copy_house, run_in

pytestmark = [pytest.mark.slow]

ASK = """
import asyncio, json
from tests.support import embedded
from tests.support.api.in_process_api import backend, serving

async def ask():
    async with serving(backend(object())) as api:
        return [(await api.get(path)).json() for path in ("/indicators", "/openapi.json")]

print(json.dumps(asyncio.run(ask())))
embedded.stop_services()
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with one indicator and one family of rules more."""
    copy = copy_house(tmp_path_factory.mktemp("house"))
    nearest = (copy / "kernels" / "indicators" / "wma.py").read_text()
    (copy / "kernels" / "indicators" / "novel_mean.py").write_text(nearest.replace("wma", "novel_mean"))
    family = (copy / "kernels" / "rules" / "sign_of_output.py").read_text()
    (copy / "kernels" / "rules" / "novel_rule.py").write_text(family)
    return copy


def test_the_api_lists_it_and_its_schema_takes_it(house: Path):
    listed, document = json.loads(run_in(house, "-c", ASK).splitlines()[-1])
    [new] = [indicator for indicator in listed if indicator["id"] == "novel_mean"]
    assert [param["name"] for param in new["params"]] == ["window"]
    schemas: dict[str, Any] = document["components"]["schemas"]
    assert schemas["NovelMeanAxes"]["properties"]["id"]["const"] == "novel_mean"
    assert schemas["NovelMeanParams"]["properties"]["window"]["default"] == new["params"][0]["default"]
    for request in ("BacktestRequest-Input", "SeriesRequest", "StrategyDraft"):
        assert "NovelMean" in json.dumps(schemas[request]), request


def test_the_contracts_hold_it(house: Path):
    output = run_in(house, "-m", "pytest", "-q", "tests/kernels/test_indicator_contracts.py", "-k", "novel_mean")
    assert " passed" in output


def test_the_reference_pages_show_both(house: Path):
    run_in(house, "docs/generate.py")
    assert "## novel-rule" in (house / "docs" / "reference" / "signal-rules.md").read_text()
    assert "(`novel_mean`)" in (house / "docs" / "reference" / "indicators.md").read_text()
