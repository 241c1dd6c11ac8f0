"""Candles from a folder of files, as the simulator serves them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from candleray.candles import COLUMNS
from candleray.errors import BadFile, NotFound
from candleray.markets import MARKETS
from candleray.simulator.recorded_candles import RecordedCandles
from candleray.timeframes import DAY_MS, MINUTE_MS

START_MS = 1_735_689_600_000


def write(path, minutes, **more):
    table = {"ts_open": [START_MS + minute * MINUTE_MS for minute in minutes]}
    table |= {name: [10.0 + minute for minute in minutes] for name in COLUMNS}
    pq.write_table(pa.table(table | more), path)


def test_files_of_one_instrument_are_one_series_and_holes_stay(tmp_path):
    write(tmp_path / "binance-spot_BTCUSDT_second.parquet", [3, 4, 9])
    write(
        tmp_path / "binance_spot_BTCUSDT_first.parquet", [0, 1, 3], quote_volume=[5.0, 6.0, 7.0], trades=[1, 2, 3]
    )
    write(tmp_path / "bybit-futures_ETHUSDT.parquet", [0])
    source = RecordedCandles(tmp_path)
    rows = source.candles(MARKETS[1], "BTCUSDT", START_MS, START_MS + DAY_MS)
    assert ((rows.ts_open_ms - START_MS) // MINUTE_MS).tolist() == [0, 1, 3, 4, 9]
    assert rows.quote_volume[:2].tolist() == [5.0, 6.0]
    assert np.isfinite(rows.quote_volume).all()
    assert source.span_ms(MARKETS[1], "BTCUSDT") == (START_MS, START_MS + 9 * MINUTE_MS + 1)
    assert [i.symbol for i in source.instruments(MARKETS[4])] == ["ETHUSDT"]
    assert source.instruments(MARKETS[2]) == []


def test_a_folder_without_candles_and_a_file_of_something_else_are_named(tmp_path):
    with pytest.raises(NotFound, match=r"no file in .* is named like binance-spot_BTCUSDT\.parquet"):
        RecordedCandles(tmp_path)
    write(tmp_path / "binance-spot_BTCUSDT.parquet", [0])
    with pytest.raises(NotFound, match="ETHUSDT"):
        RecordedCandles(tmp_path, ["ETHUSDT"])
    pq.write_table(pa.table({"time": [1]}), tmp_path / "binance-spot_BTCUSDT.parquet")
    with pytest.raises(BadFile, match=r"binance-spot_BTCUSDT\.parquet is not a Parquet file of candles"):
        RecordedCandles(tmp_path)


@pytest.mark.real_data
def test_the_real_crash_month_is_served_as_it_is(shared_data):
    source = RecordedCandles(shared_data / "candles", ["SUIUSDT"])
    first_ms, end_ms = source.span_ms(MARKETS[1], "SUIUSDT")
    rows = source.candles(MARKETS[1], "SUIUSDT", first_ms, end_ms)
    assert len(rows) == 44_640
    assert rows.values[2].min() < 0.5 * rows.values[1].max()
