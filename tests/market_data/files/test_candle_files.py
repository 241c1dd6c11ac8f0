"""Candle files of every kind, and files that are none."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.candles import CandleRows
from candleray.errors import BadFile
from candleray.market_data.files.file_times import TimeReader
from candleray.market_data.screening import screen
from candleray.markets import Instrument
from tests.support.candle_files import rows_in

START_S = 1_735_689_600
MINUTE_MS = 60_000
NOW_MS = 1_800_000_000_000
HEADER = "open_time,open,high,low,close,volume\n"
NAMES = ["ts_open", "open", "high", "low", "close", "volume"]


def line(minute: int, unit_per_s: int = 1000, more: str = "") -> str:
    return f"{(START_S + 60 * minute) * unit_per_s},10,12,9,{10 + minute / 100},{minute}{more}\n"


def archive_line(minute: int, unit_per_s: int = 1000) -> str:
    close_time = (START_S + 60 * minute + 60) * unit_per_s - 1
    return line(minute, unit_per_s, f",{close_time},{100 + minute}.5,{minute + 1},1,2,0")


def lines(count: int, **options: int) -> str:
    return "".join(line(minute, **options) for minute in range(count))


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def candle_columns(count: int) -> dict[str, list[float]]:
    return {
        "open": [10.0] * count,
        "high": [12.0] * count,
        "low": [9.0] * count,
        "close": [11.0] * count,
        "volume": [1.0] * count,
    }


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.csv", content)
    return path


def read(path: Path) -> CandleRows:
    (rows,) = rows_in(path, instrument_of(path))
    return rows


def instrument_of(path: Path) -> Instrument:
    """The instrument in the name of a shared file."""
    symbol = re.search(r"[A-Z]{6,}", path.name)
    market_id = 4 if "bybit" in path.name else 1
    return Instrument(market_id=market_id, symbol=symbol[0] if symbol else "BTCUSDT")


def minutes(rows: CandleRows) -> list[float]:
    return ((rows.ts_open_ms - START_S * 1000) / MINUTE_MS).tolist()


def test_an_archive_without_header_in_a_zip(tmp_path: Path) -> None:
    rows = read(zipped(tmp_path / "a.zip", klines="".join(archive_line(minute) for minute in range(3))))
    assert minutes(rows) == [0, 1, 2]
    assert rows.values[3].tolist() == [10.0, 10.01, 10.02]
    assert rows.quote_volume.tolist() == [100.5, 101.5, 102.5]
    assert rows.trades.tolist() == [1, 2, 3]


def test_an_archive_that_goes_from_milliseconds_to_microseconds(tmp_path: Path) -> None:
    content = archive_line(0) + archive_line(1) + archive_line(2, 10**6) + archive_line(3, 10**6)
    assert minutes(read(written(tmp_path / "a.csv", content))) == [0, 1, 2, 3]


def test_a_header_in_the_words_of_a_notebook(tmp_path: Path) -> None:
    header = '\ufeff"Open time",Open,High,Low,Close,Volume,"Quote asset volume","Number of trades"\r\n'
    rows = read(written(tmp_path / "a.csv", header + "2025-01-01 00:02:00,1,2,1,1,5,3.5,7\r\n"))
    assert (minutes(rows), rows.quote_volume.tolist(), rows.trades.tolist()) == ([2], [3.5], [7])


def test_columns_in_any_order_among_others(tmp_path: Path) -> None:
    content = "symbol,close,low,high,open,volume,timestamp\nBTC/USDT,11,9,12,10,5,1735689600\n"
    rows = read(written(tmp_path / "a.csv", content))
    assert rows.values[:, 0].tolist() == [10, 12, 9, 11, 5]
    assert minutes(rows) == [0]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    rows = read(written(tmp_path / "a.csv", (HEADER + lines(3)).replace(",", delimiter)))
    assert minutes(rows) == [0, 1, 2]


def test_packed_by_gzip_whatever_the_name(tmp_path: Path) -> None:
    assert minutes(read(written(tmp_path / "candles", gzip.compress((HEADER + lines(3)).encode())))) == [0, 1, 2]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([START_S * 1000, START_S * 1000 + MINUTE_MS]),
        pa.array([START_S * 10**9, (START_S + 60) * 10**9], pa.timestamp("ns", "UTC")),
        pa.array([START_S, START_S + 60], pa.timestamp("s")),
        pa.array([START_S * 10**6, (START_S + 60) * 10**6], pa.uint64()),
        pa.array([float(START_S), START_S + 60.0]),
        pa.array(["2025-01-01T00:00:00Z", "2025-01-01T03:01:00+03:00"]),
        pa.array(["2025-01-01 00:00:00 UTC", "1735689660"]),
    ],
)
def test_times_of_every_kind_in_parquet(tmp_path: Path, column: pa.Array) -> None:
    rows = read(parquet(tmp_path / "a.parquet", time=column, **candle_columns(2)))
    assert minutes(rows) == [0, 1]
    assert np.isnan(rows.trades).all()


@given(st.lists(st.tuples(st.integers(1_230_768_000, 4_102_444_799), st.sampled_from([1, 10**3, 10**6, 10**9]))))
def test_the_unit_of_a_time_is_told_row_by_row(times: list[tuple[int, int]]) -> None:
    column = pa.chunked_array([pa.array([second * unit for second, unit in times], pa.int64())])
    assert TimeReader("").read(column).tolist() == [second * 1000 for second, _ in times]


def test_what_cannot_be_read_costs_its_own_row_only_and_is_found_by_its_number(tmp_path: Path) -> None:
    content = (
        HEADER + line(0) + "1,2\n" + line(2).replace("12", "twelve") + line(3) + line(4, more=",7,8") + line(5)
    )
    rows = read(written(tmp_path / "a.csv", content))
    kept, refused = screen(rows, NOW_MS)
    assert ((kept.ts_open_ms // 1000 - START_S) // 60).tolist() == [0, 3, 5]
    assert [(entry.reason, entry.count) for entry in refused] == [("not a finite number", 3)]
    assert refused[0].first_example.startswith("row 3: unreadable time")


def test_numbers_missing_in_an_optional_column_are_unknown(tmp_path: Path) -> None:
    content = "ts,open,high,low,close,volume,turnover\n" + line(0, more=",") + line(1, more=",5")
    assert read(written(tmp_path / "a.csv", content)).quote_volume.tolist() == pytest.approx(
        [np.nan, 5], nan_ok=True
    )


def test_a_long_file_comes_in_batches_that_know_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candleray.market_data.files.csv_files.CHUNK_BYTES", 1000)
    batches = list(rows_in(written(tmp_path / "a.csv", HEADER + lines(200).rstrip("\n"))))
    assert len(batches) > 5
    assert [minute for batch in batches for minute in minutes(batch)] == list(range(200))
    ends = [batch.first_row + len(batch) for batch in batches]
    assert [batch.first_row for batch in batches] == [2, *ends[:-1]]


def parquet_of(path: Path, content: str) -> Path:
    """The same rows as Parquet, all columns as text."""
    rows = [row.split(",") for row in content.splitlines()[1:]]
    return parquet(path, **dict(zip(NAMES, zip(*rows, strict=True), strict=True)))


LONG_FILES = {
    "csv": lambda folder, content: (written(folder / "a.csv", content), 2),
    "no header": lambda folder, content: (written(folder / "a.csv", content.removeprefix(HEADER)), 1),
    "gzip": lambda folder, content: (written(folder / "a.csv.gz", gzip.compress(content.encode())), 2),
    "zip": lambda folder, content: (zipped(folder / "a.zip", klines=content), 2),
    "parquet": lambda folder, content: (parquet_of(folder / "a.parquet", content), 1),
}


@pytest.mark.parametrize("kind", LONG_FILES)
def test_a_row_of_a_later_batch_is_named_by_its_number_in_the_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candleray.market_data.files.csv_files.CHUNK_BYTES", 1000)
    monkeypatch.setattr("candleray.market_data.files.candle_files.BATCH_ROWS", 50)
    whole = [HEADER, *(line(minute) for minute in range(200))]
    whole[1 + 170] = line(170).replace(",12,", ",twelve,")
    path, first_number = LONG_FILES[kind](tmp_path, "".join(whole))
    batches = list(rows_in(path))
    assert len(batches) > 3
    assert [minute for batch in batches for minute in minutes(batch)] == list(range(200))
    refused = [entry for batch in batches for entry in screen(batch, NOW_MS)[1]]
    assert [entry.first_example.partition(":")[0] for entry in refused] == [f"row {first_number + 170}"]


def test_a_torn_line_is_counted_and_a_blank_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candleray.market_data.files.csv_files.CHUNK_BYTES", 100)
    content = HEADER + lines(9) + "\n1,2\n\n" + lines(9) + "3,4\n\n"
    batches = list(rows_in(written(tmp_path / "a.csv", content)))
    assert len(batches) > 3
    refused = [
        entry for batch in batches for entry in screen(batch, NOW_MS)[1] if entry.reason == "not a finite number"
    ]
    assert [entry.first_example.partition(":")[0] for entry in refused] == ["row 11", "row 21"]


def cut_off_zip(folder: Path) -> Path:
    whole = zipped(folder / "whole.zip", klines=lines(1000)).read_bytes()
    return written(folder / "cut.zip", whole[: len(whole) // 2])


def damaged_zip(folder: Path) -> Path:
    content = bytearray(zipped(folder / "whole.zip", klines=lines(1000)).read_bytes())
    content[100] ^= 0xFF
    return written(folder / "damaged.zip", bytes(content))


def encrypted_zip(folder: Path) -> Path:
    content = bytearray(zipped(folder / "open.zip", klines=lines(10)).read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return written(folder / "encrypted.zip", bytes(content))


def bomb(folder: Path) -> Path:
    return zipped(folder / "bomb.zip", klines=HEADER + "0" * 2**27)


def cut_off_gzip(folder: Path) -> Path:
    return written(folder / "cut.csv.gz", gzip.compress(lines(1000).encode())[:-20])


def cut_off_parquet(folder: Path) -> Path:
    whole = parquet(folder / "whole.parquet", ts=[START_S], **candle_columns(1)).read_bytes()
    return written(folder / "cut.parquet", whole[: len(whole) // 2])


NOT_CANDLES = {
    "no such file": lambda folder: folder / "nowhere.csv",
    "a folder": lambda folder: folder,
    "is empty": lambda folder: written(folder / "a.csv", ""),
    "holds no rows": lambda folder: written(folder / "a.csv", HEADER),
    "holds no rows (parquet)": lambda folder: parquet(
        folder / "a.parquet", **{name: pa.array([], pa.float64()) for name in NAMES}
    ),
    "is not text": lambda folder: written(folder / "a.csv", bytes(range(256)) * 9),
    "lacks open, high, low": lambda folder: written(folder / "a.csv", "time,close,volume\n1,2,3\n"),
    "lacks ts_open": lambda folder: parquet(folder / "a.parquet", price=[1.0], **candle_columns(1)),
    "has a column of list": lambda folder: parquet(folder / "a.parquet", ts=[[1]], **candle_columns(1)),
    "does not begin as a .parquet file does": lambda folder: written(folder / "a.parquet", HEADER + lines(2)),
    "has no header and 5 columns (without one: 6, 7, 12)": lambda folder: written(folder / "a.csv", "1,2,3,4,5\n"),
    "a time of day without its date": lambda folder: written(folder / "a.csv", "0,1,2,1,1,1\n60000,1,2,1,1,1\n"),
    "has candles of 3,600 s by its steps": lambda folder: written(
        folder / "a.csv", HEADER + "".join(line(60 * hour) for hour in range(24))
    ),
    "has rows 1 s apart": lambda folder: written(
        folder / "a.csv", HEADER + "".join(line(0).replace(str(START_S), str(START_S + s)) for s in range(99))
    ),
    "holds 2 files and not one CSV": lambda folder: zipped(folder / "a.zip", one=lines(2), two=lines(2)),
    "is encrypted": encrypted_zip,
    "is damaged or cut off (zip)": cut_off_zip,
    "is damaged or cut off (bytes)": damaged_zip,
    "is damaged or cut off (gzip)": cut_off_gzip,
    "is damaged (parquet)": cut_off_parquet,
    "unpacks to more than": bomb,
}


@pytest.mark.parametrize("found", NOT_CANDLES)
def test_a_file_without_candles_is_named_with_what_was_found_and_what_is_expected(
    found: str, tmp_path: Path
) -> None:
    path = NOT_CANDLES[found](tmp_path)
    with pytest.raises(BadFile) as error:
        list(rows_in(path))
    message = error.value.message
    assert message.startswith(str(path))
    assert "; expected one-minute candles as Parquet or CSV" in message
    if found not in ("no such file", "a folder"):
        assert found.partition(" (")[0] in message


def test_a_damaged_file_gives_no_row_at_all(tmp_path: Path) -> None:
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb") as packed:
        packed.write((HEADER + lines(1000)).encode())
    with pytest.raises(BadFile):
        next(iter(rows_in(written(tmp_path / "a.csv.gz", content.getvalue()[:-8]))))


@pytest.mark.real_data
def test_every_real_candle_file_is_read_whole(shared_data: Path) -> None:
    paths = sorted((shared_data / "candles").glob("*.parquet"))
    paths += sorted((shared_data / "captures/data_vision_raw").glob("*.csv.gz"))
    assert len(paths) == 13
    for path in paths:
        for rows in rows_in(path, instrument_of(path)):
            kept, refused = screen(rows, NOW_MS)
            assert refused == []
            assert len(kept) == len(rows)


@pytest.mark.real_data
def test_untouched_archives_keep_quote_volume_and_trades(shared_data: Path) -> None:
    rows = read(shared_data / "captures/data_vision_raw/binance_futures_um_FILUSDT-1m-2023-11.csv.gz")
    assert len(rows) == 43_200
    assert (rows.ts_open_ms[0], rows.quote_volume[0], rows.trades[0]) == (1_698_796_800_000, 180920.3482, 382)


@pytest.mark.real_data
def test_candles_that_open_off_the_minute_are_refused_row_by_row(shared_data: Path) -> None:
    rows = read(shared_data / "captures/quirks/binance_spot_BTCUSDT_1m_raw_misaligned.parquet")
    kept, refused = screen(rows, NOW_MS)
    assert len(kept) + refused[0].count == len(rows) == 21_602
    assert refused[0].reason == "opens off the minute"
    assert refused[0].first_example.startswith("row 1: 2017-12-04T06:00:20.799Z open=11478 ")


@pytest.mark.real_data
def test_a_series_full_of_holes_is_still_of_minutes(shared_data: Path) -> None:
    batches = list(
        rows_in(
            path := shared_data / "captures/quirks/bybit_linear_LTCUSDT_1m_gappy_200of1002.parquet",
            instrument_of(path),
        )
    )
    assert sum(len(batch) for batch in batches) == 105_076
    assert batches[0].quote_volume[0] == 7071.128


@pytest.mark.real_data
def test_minutes_of_a_day_without_its_date_are_refused_as_a_file(shared_data: Path) -> None:
    for path in [*(shared_data / "captures/lean").glob("*.zip"), *(shared_data / "captures/quirks").glob("*.zip")]:
        with pytest.raises(BadFile, match=r"time of day without its date|no header and 11 columns"):
            list(rows_in(path))
