"""Parity with TA-Lib wherever it has the function: values, seeds and first bars at 1e-9.

Rows are data, in the modules `talib_*` beside this one. An indicator that names TA-Lib as its source has rows.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from candleray.candles import COLUMNS
from kernels.indicators import INDICATORS
from kernels.signals import compute
from tests.support.oracles.talib_trend_volume import Answer, Params
from tests.support.random_walk import random_walk

ROWS = [
    row
    for path in sorted((Path(__file__).parents[1] / "support" / "oracles").glob("talib_*.py"))
    for row in import_module(f"tests.support.oracles.{path.stem}").ROWS
]
every_row = pytest.mark.parametrize(
    ("indicator", "params", "answer"),
    ROWS,
    ids=["-".join([name, *(f"{value:g}" for value in params.values())]) for name, params, _ in ROWS],
)


def assert_parity(values: NDArray[np.float64], indicator: str, params: Params, answer: Answer) -> None:
    declared = INDICATORS[indicator]
    params = {**{name: param.default for name, param in declared.params.items()}, **params}
    ours, first = compute(declared, values, {}, params), declared.lookback(**params)
    theirs = answer(*values)
    assert set(theirs) <= set(ours)
    assert any(np.isnan(expected[:first]).all() for expected in theirs.values()), "TA-Lib begins earlier"
    for output, expected in theirs.items():
        assert np.isfinite(expected[first:]).all(), "TA-Lib begins later"
        # Relative to the value, or to a usual one: what swings around zero has no digits of its own there.
        usual = np.median(np.abs(expected[first:]))
        np.testing.assert_allclose(ours[output][first:], expected[first:], rtol=1e-9, atol=1e-9 * usual)


@every_row
def test_on_a_random_walk(indicator: str, params: Params, answer: Answer):
    assert_parity(random_walk(3_000, seed=5), indicator, params, answer)


@pytest.fixture(scope="module")
def minutes(shared_data: Path) -> NDArray[np.float64]:
    table = pq.read_table(
        shared_data / "candles" / "binance_spot_SUIUSDT_2025-10_crash.parquet", columns=list(COLUMNS)
    )
    return np.ascontiguousarray([column.to_numpy() for column in table.columns])


@pytest.mark.real_data
@every_row
def test_on_a_month_of_real_minutes_with_a_crash(
    minutes: NDArray[np.float64], indicator: str, params: Params, answer: Answer
):
    assert_parity(minutes, indicator, params, answer)


def test_every_indicator_that_names_talib_has_a_row():
    named = {name for name, indicator in INDICATORS.items() if "TA-Lib" in indicator.source}
    assert named <= {name for name, _, _ in ROWS}
