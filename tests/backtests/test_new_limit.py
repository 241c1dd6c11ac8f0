"""One changed file makes a new limit that prunes: in requests, in the compiled walk, and in the counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.house_copy import change, changed_files, copy_house, run_in

pytestmark = [pytest.mark.slow]

FILE = "kernels/simulation/pruned/limits.py"
END_OF_LIMITS = ')\n"""Limits in the order of the request'

MAX_LOSSES_IN_A_ROW = """    Limit(
        "max_losses_in_a_row",
        "Most trades without a gain, one after the other.",
        unset=NEVER,
        at_exit=lambda account, limits: account.losses_in_a_row > limits.max_losses_in_a_row,
    ),
"""

# Three trades: a gain, then two losses of a bar each.
SEARCH = """
import json
from candleray.backtests.pruning import Pruning
from tests.support.sample_search import by_hand

closes = [100, 110, 165, 160, 176, 88, 88, 100, 50, 50]
pruned = {limit: by_hand(closes, pruning={"max_losses_in_a_row": limit}).pruned for limit in (1, 2)}
print(json.dumps({"pruned": pruned, "schema": Pruning.model_json_schema()["properties"]["max_losses_in_a_row"]}))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with one limit more."""
    copy = copy_house(tmp_path_factory.mktemp("house"), "kernels")
    change(copy / FILE, END_OF_LIMITS, MAX_LOSSES_IN_A_ROW + END_OF_LIMITS)
    return copy


def test_a_new_limit_is_one_changed_file(house: Path):
    answer = json.loads(run_in(house, "-c", SEARCH).splitlines()[-1])
    assert answer["pruned"] == {"1": {"max_losses_in_a_row": 1}, "2": {"max_losses_in_a_row": 0}}
    assert answer["schema"]["anyOf"][0] == {"maximum": 1_000_000_000, "minimum": 1, "type": "integer"}
    assert answer["schema"]["description"] == "Most trades without a gain, one after the other."
    assert changed_files(house) == [FILE]
