"""One changed file makes a new sizing: in requests, in their schema, and in what an entry buys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.house_copy import change, changed_files, copy_house, run_in

pytestmark = [pytest.mark.slow]

FILE = "candleray/backtests/rules/sizing.py"

FIXED_QUOTE_PROFIT_LOCK = '''
class FixedQuoteProfitLock(Sizing):
    """Every entry has the same notional, and of each net profit a share is locked."""

    mode: Literal["fixed_quote_profit_lock"]
    quote: Quote
    safe_profit_percent: Annotated[Number, Field(ge=0, le=100)]

    def account_fields(self) -> AccountFields:
        return account_fields(fixed_quote=self.quote, safe_profit_pct=self.safe_profit_percent)


'''

# The first trade gains 454 of 1000, which are locked; the second halves the rest, so that the third has 500.
SEARCH = """
import json
from candleray.backtests.request import BacktestRequest
from tests.support.sample_search import by_hand

sizing = {"mode": "fixed_quote_profit_lock", "quote": 1000, "safe_profit_percent": 100}
trades = by_hand([100, 110, 165, 160, 176, 88, 88, 100, 110], sizing=sizing).top[0].trades
print(json.dumps({
    "notionals": [trade.entry_notional_quote for trade in trades],
    "schema": BacktestRequest.model_json_schema()["$defs"].get("FixedQuoteProfitLock"),
}))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with one sizing more."""
    copy = copy_house(tmp_path_factory.mktemp("house"), "candleray")
    change(copy / FILE, "def _budget(", FIXED_QUOTE_PROFIT_LOCK.lstrip() + "def _budget(")
    change(copy / FILE, "    VolatilityTarget,\n", "    VolatilityTarget,\n    FixedQuoteProfitLock,\n")
    return copy


def test_a_new_sizing_is_one_changed_file(house: Path):
    answer = json.loads(run_in(house, "-c", SEARCH).splitlines()[-1])
    assert answer["notionals"] == pytest.approx([1000, 1000, 500])
    assert set(answer["schema"]["properties"]) == {"mode", "quote", "safe_profit_percent"}
    assert changed_files(house) == [FILE]
