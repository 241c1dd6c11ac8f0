"""One changed file makes a new metric: computed, typed in the table, shown in the report and on its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.house_copy import change, changed_files, copy_house, run_in

pytestmark = [pytest.mark.slow]

FILE = "candleray/backtests/metrics.py"
END_OF_METRICS = ')\n"""The metrics in the order of the report."""'

LONGEST_LOSS = """    Metric(
        "Longest Loss",
        MetricKind.DURATION,
        "the longest trade that lost",
        _with_trades(lambda run: int(run.durations_ms[run.profits_quote.values < 0].max(initial=0))),
        is_headline=True,
    ),
"""

# The second trade, bought at 231, loses within one bar of a minute.
SEARCH = """
import json
from tests.support.sample_search import by_hand

result = by_hand([100, 110, 242, 220, 231, 115.5, 115.5])
print(json.dumps({
    "value": result.top[0].metrics["Longest Loss"],
    "row": [line for line in result.top[0].table_md.splitlines() if "Longest" in line],
    "column": str(result.to_arrow().schema.field("Longest Loss").type),
    "is_headline": "Longest Loss" in result.headlines().columns,
}))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with one metric more."""
    copy = copy_house(tmp_path_factory.mktemp("house"), "candleray", "docs")
    change(copy / FILE, END_OF_METRICS, LONGEST_LOSS + END_OF_METRICS)
    return copy


def test_a_new_metric_is_one_changed_file(house: Path):
    answer = json.loads(run_in(house, "-c", SEARCH).splitlines()[-1])
    assert answer == {
        "value": 60_000,
        "row": ["|Longest Loss|0:01:00|"],
        "column": "duration[ms]",
        "is_headline": True,
    }
    assert changed_files(house) == [FILE]


def test_its_page_is_generated(house: Path):
    run_in(house, "docs/generate.py")
    page = (house / "docs" / "reference" / "metrics.md").read_text()
    assert "| Longest Loss | duration | the longest trade that lost |" in page
