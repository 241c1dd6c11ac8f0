"""Claims of a file about itself: whatever contradicts the command refuses the file, or its own row."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from candleray.errors import BadFile
from candleray.market_data.files.candle_files import CandleFile, open_candle_file
from candleray.market_data.files.file_names import claims_of
from candleray.market_data.insert_report import RefusedRows
from candleray.markets import MARKETS, Instrument
from tests.support.candle_files import BITCOIN, rows_in

START_S = 1_735_689_600
MINUTE_MS = 60_000
ON_BYBIT = Instrument(market_id=4, symbol="BTCUSDT")
HEADER = "open_time,open,high,low,close,volume"
CANDLE = "100,101,99,100.5,5"


def csv_of(steps_s: list[int], header: str = HEADER, more: Callable[[int], str] = lambda row: "") -> str:
    """A file whose rows open so many seconds after the start of 2025."""
    rows = [f"{(START_S + after) * 1000},{CANDLE}{more(row)}" for row, after in enumerate(steps_s)]
    return "\n".join([header, *rows, ""])


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fault_of(path: Path, instrument: Instrument = BITCOIN) -> str:
    with pytest.raises(BadFile) as error:
        list(rows_in(path, instrument))
    return error.value.message.removeprefix(f"{path}: ").partition("; expected")[0]


def opens_of(path: Path, instrument: Instrument = BITCOIN) -> list[int]:
    """Minutes after the start of 2025."""
    stamps = np.concatenate([rows.ts_open_ms for rows in rows_in(path, instrument)])
    return ((stamps - START_S * 1000) // MINUTE_MS).tolist()


def refused_in(path: Path) -> list[RefusedRows]:
    with open_candle_file(path, BITCOIN) as file:
        return [refused for batch in file.batches() for refused in batch.refused]


MINUTES = [60 * minute for minute in range(20)]


@pytest.mark.parametrize(
    ("steps_s", "interval"),
    [
        ([0, 86_400], "86,400"),
        ([0, 180], "180"),
        ([0, 300, 600], "300"),
        ([0, 3600, 7200, 18_000], "3,600"),
        ([180 * row for row in range(11)], "180"),
        ([3600 * row for row in range(24) if row not in (3, 4, 9)], "3,600"),
        ([*(3600 * row for row in range(24)), 3660], "3,600"),
        ([86_400 * row for row in range(400)][::-1], "86,400"),
    ],
)
def test_candles_of_a_longer_interval_are_told_by_their_steps(
    steps_s: list[int], interval: str, tmp_path: Path
) -> None:
    fault = fault_of(written(tmp_path / "a.csv", csv_of(steps_s)))
    assert fault == f"has candles of {interval} s by its steps"


@pytest.mark.parametrize("steps_s", [[0], [0, 60], [0, 120, 420], [0, 60, 300, 360, 7200], MINUTES, MINUTES[::-1]])
def test_minutes_with_holes_in_either_order_are_minutes(steps_s: list[int], tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", csv_of(steps_s))
    assert opens_of(path) == [after // 60 for after in steps_s]


@pytest.mark.parametrize("name", ["close_time", "Close Time", "closeTime", "CLOSE_TIME", "end_time"])
@pytest.mark.parametrize(
    ("length_s", "unit"),
    [(3600, 1000), (86_400, 10**6), (180, 1)],
    ids=["ms of an hour", "µs of a day", "s of 3m"],
)
def test_one_row_is_enough_where_there_is_a_close_time(
    name: str, length_s: int, unit: int, tmp_path: Path
) -> None:
    content = f"{HEADER},{name}\n{START_S * unit},{CANDLE},{(START_S + length_s) * unit - 1}\n"
    assert f"has candles of {length_s:,} s by their close times" == fault_of(written(tmp_path / "a.csv", content))


@pytest.mark.parametrize(("unit", "last"), [(1000, 59_999), (1000, 60_000), (1, 59), (1, 60), (10**6, 59_999_999)])
def test_a_minute_may_close_at_its_last_moment_or_at_the_next_open(unit: int, last: int, tmp_path: Path) -> None:
    content = f"{HEADER},close_time\n{START_S * unit},{CANDLE},{START_S * unit + last}\n"
    assert opens_of(written(tmp_path / "a.csv", content)) == [0]


def test_an_archive_of_days_is_refused_without_a_header_too(tmp_path: Path) -> None:
    row = f"{START_S * 1000},{CANDLE},{(START_S + 86_400) * 1000 - 1},9,9,9,9,0\n"
    assert "candles of 86,400 s" in fault_of(written(tmp_path / "a.csv", row))


def test_a_longer_candle_among_minutes_is_refused_alone_and_named_by_its_number(tmp_path: Path) -> None:
    lengths = [60] * 19 + [86_400]
    content = csv_of(
        MINUTES, HEADER + ",close_time", lambda row: f",{(START_S + MINUTES[row] + lengths[row]) * 1000 - 1}"
    )
    path = written(tmp_path / "a.csv", content)
    assert opens_of(path) == list(range(19))
    (refused,) = refused_in(path)
    assert (refused.reason, refused.count) == ("closes more than a minute after its open", 1)
    assert refused.first_example.startswith("row 21: 2025-01-01T00:19:00Z")


NAMES = {
    "BTCUSDT-1d-2025-01-01.csv": "has candles of 86,400 s by its name",
    "BTCUSDT-1h-2025-01.csv": "has candles of 3,600 s by its name",
    "btcusdt-3m-2025-01.csv": "has candles of 180 s by its name",
    "BTCUSDT-1mo-2025-01.csv": "has candles of 2,592,000 s by its name",
    "BTCUSDT_15_2025-01-01_2025-01-31.csv": "has candles of 900 s by its name",
    "BINANCE_BTCUSDT, 60.csv": "has candles of 3,600 s by its name",
    "BINANCE_BTCUSDT, 1D.csv": "has candles of 86,400 s by its name",
    "Binance_BTCUSDT_1h.csv": "has candles of 3,600 s by its name",
    "Binance_BTCUSDT_d.csv": "has candles of 86,400 s by its name",
    "ETHUSDT-1m-2025-01.csv": "is named as candles of ETHUSDT, not of BTCUSDT",
    "BINANCE_ETHUSDT, 1.csv": "is named as candles of ETHUSDT, not of BTCUSDT",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_another_interval_or_symbol_is_believed(name: str, tmp_path: Path) -> None:
    assert fault_of(written(tmp_path / name, csv_of([0]))) == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
def test_so_is_the_name_within_an_archive(name: str, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=packed) as stream:
        stream.write(csv_of([0]).encode())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(f"folder/{name}", csv_of([0]))
    assert fault_of(tmp_path / "a.zip") == NAMES[name]
    assert fault_of(written(tmp_path / "a.csv.gz", packed.getvalue())) == NAMES[name]


@pytest.mark.parametrize(
    "name",
    [
        *("BTCUSDT-1m-2025-01.csv", "binance_spot_BTCUSDT-1m-2025-01.csv", "BTCUSDT_1_2025-01-01_2025-01-31.csv"),
        *("BINANCE_BTCUSDT.P, 1.csv", "btcusd_1-min_data.csv", "Binance_BTCUSDT_2025_minute.csv", "candles.csv"),
        *("last_7d.csv", "BTCUSDT_1m_30d.csv", "4h-strategy-minutes.csv"),
    ],
)
def test_a_name_that_may_be_of_minutes_is_no_contradiction(name: str, tmp_path: Path) -> None:
    assert len(opens_of(written(tmp_path / name, csv_of(MINUTES)))) == 20


def test_a_name_without_an_interval_claims_none() -> None:
    assert claims_of("candles 2025 final v2.csv").interval_ms is None


@pytest.mark.parametrize("column", ["confirm", "closed", "is_closed", "isClosed", "x", "X", "Is_Final"])
@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("true", "false"), ("True", "False"), ("TRUE", "")])
def test_only_rows_that_say_they_are_closed_are_taken(column: str, yes: str, no: str, tmp_path: Path) -> None:
    content = csv_of([0, 60, 120, 180], f"{HEADER},{column}", lambda row: f",{no if row in (1, 3) else yes}")
    path = written(tmp_path / "a.csv", content)
    assert opens_of(path) == [0, 2]
    (refused,) = refused_in(path)
    assert (refused.reason, refused.count) == ("does not say that it is closed", 2)
    assert refused.first_example.startswith("row 3: 2025-01-01T00:01:00Z open=100")


def test_rows_after_one_that_is_left_out_keep_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", csv_of([0, 60, 120], HEADER + ",x", lambda row: f",{int(row != 1)}"))
    (rows,) = rows_in(path)
    assert [rows.number(index) for index in range(len(rows))] == [2, 4]


def parquet_of(path: Path, **more: object) -> Path:
    values = dict(zip(HEADER.split(",")[1:], (100.0, 101.0, 99.0, 100.5, 5.0), strict=True))
    columns = {name: [value] * 3 for name, value in values.items()}
    stamps = pa.array([(START_S + 60 * row) * 1000 for row in range(3)], pa.timestamp("ms"))
    pq.write_table(pa.table({"open_time": stamps, **columns, **more}), path)
    return path


@pytest.mark.parametrize(
    "told",
    [pa.array([True, False, None]), pa.array([1, 0, 0]), pa.array(["true", "no", ""]), pa.array([1.0, 0, 2])],
)
def test_parquet_columns_are_believed_whatever_their_type(told: pa.Array, tmp_path: Path) -> None:
    assert opens_of(parquet_of(tmp_path / "a.parquet", confirm=told)) == [0]


def test_parquet_says_its_symbol_and_its_close_too(tmp_path: Path) -> None:
    symbols = pa.array(["ETHUSDT"] * 3).dictionary_encode()
    assert fault_of(parquet_of(tmp_path / "a.parquet", Symbol=symbols)).startswith(
        "has candles of ETHUSDT (3 rows)"
    )
    closes = pa.array([(START_S + 60 * row + 3600) * 1000 for row in range(3)], pa.timestamp("ms"))
    assert "has candles of 3,600 s" in fault_of(parquet_of(tmp_path / "b.parquet", close_time=closes))


@pytest.mark.parametrize("column", ["symbol", "Symbol", "pair", "SYMBOL", "ticker"])
@pytest.mark.parametrize("other", ["ETHUSDT", "BTC/USD", "BTCUSD", "BINANCE:ETHUSDT", "ETH"])
def test_rows_of_another_symbol_refuse_the_file_wherever_they_stand(
    column: str, other: str, tmp_path: Path
) -> None:
    content = csv_of(MINUTES, f"{HEADER},{column}", lambda row: f",{other if row == 19 else 'BTCUSDT'}")
    assert fault_of(written(tmp_path / "a.csv", content)) == f"has candles of {other} (1 rows), not of BTCUSDT"


@pytest.mark.parametrize(
    "text",
    ["BTCUSDT", "btcusdt", "BTC/USDT", "BTC-USDT", "BTC_USDT", "BTC/USDT:USDT", "BINANCE:BTCUSDT.P", "BTC", ""],
)
def test_the_symbol_may_be_written_in_any_way(text: str, tmp_path: Path) -> None:
    content = csv_of(MINUTES, f"{HEADER},symbol", lambda row: f",{text}")
    assert len(opens_of(written(tmp_path / "a.csv", content))) == 20


@pytest.mark.parametrize("told", ["1h", "1d", "1H", "5", "D", "15min", "1M"])
def test_a_column_of_the_interval_is_believed(told: str, tmp_path: Path) -> None:
    content = csv_of([0], f"{HEADER},Interval", lambda row: f",{told}")
    assert fault_of(written(tmp_path / "a.csv", content)).startswith(
        f"says that its candles are of the interval {told} (1 rows)"
    )


@pytest.mark.parametrize("told", ["1m", "1", "1min", "60", "60s"])
def test_a_column_that_says_minute_is_no_contradiction(told: str, tmp_path: Path) -> None:
    content = csv_of([0], f"{HEADER},interval", lambda row: f",{told}")
    assert opens_of(written(tmp_path / "a.csv", content)) == [0]


def test_a_column_of_the_exchange_is_believed(tmp_path: Path) -> None:
    content = csv_of([0], f"{HEADER},exchange", lambda row: ",Bybit")
    path = written(tmp_path / "a.csv", content)
    assert fault_of(path) == "has candles of the exchange Bybit (1 rows), not of binance"
    assert opens_of(path, ON_BYBIT) == [0]


DOTTED = f"2025.01.01 03:00,{CANDLE}\n2025.01.01 03:01,{CANDLE}\n"


@pytest.mark.parametrize("market_id", [3, 4])
@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())], ids=["csv", "gzip"])
def test_dotted_dates_of_bybits_archive_are_three_hours_ahead_and_the_report_says_so(
    market_id: int, pack: Callable[[str], bytes], tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", pack(DOTTED))
    instrument = Instrument(market_id=market_id, symbol="BTCUSDT")
    assert opens_of(path, instrument) == [0, 1]
    with open_candle_file(path, instrument) as file:
        (note,) = file.notes
    assert note.startswith("dates like '2025.01.01 03:00' are of UTC+3, as in the exchange's public kline archive")
    assert note.endswith("2025-01-01T00:00:00Z")


@pytest.mark.parametrize("market", [market for market in MARKETS.values() if market.exchange != "bybit"])
def test_dotted_dates_elsewhere_are_refused(market: object, tmp_path: Path) -> None:
    fault = fault_of(written(tmp_path / "a.csv", DOTTED))
    assert fault.startswith(
        "has dates like '2025.01.01 03:00', in MetaTrader's style, which does not say their zone"
    )


def test_dotted_dates_in_later_rows_and_in_parquet_are_found_too(tmp_path: Path) -> None:
    content = f"{HEADER}\n2025-01-01 00:00,{CANDLE}\n2025.01.01 03:01:00,{CANDLE}\n"
    path = written(tmp_path / "a.csv", content)
    assert "in MetaTrader's style" in fault_of(path)
    assert opens_of(path, ON_BYBIT) == [0, 1]
    values = {name: [1.0] for name in HEADER.split(",")[1:]}
    pq.write_table(pa.table({"time": ["2025.01.01 03:00"], **values}), tmp_path / "a.parquet")
    assert opens_of(tmp_path / "a.parquet", ON_BYBIT) == [0]


def test_a_dotted_date_that_says_its_zone_is_of_that_zone(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", f"{HEADER}\n2025.01.01 00:00+00:00,{CANDLE}\n")
    assert opens_of(path) == opens_of(path, ON_BYBIT) == [0]


@pytest.mark.parametrize(
    "date", ["31/12/2024 00:01", "01/02/2025 00:00", "1/2/2025 0:00", "31.12.2024 00:01:00.000"]
)
@pytest.mark.parametrize("header", [f"{HEADER}\n", ""])
def test_dates_that_may_be_read_in_two_ways_are_refused_in_words(date: str, header: str, tmp_path: Path) -> None:
    fault = fault_of(written(tmp_path / "a.csv", f"{header}{date},{CANDLE}\n"))
    assert fault.startswith(f"has dates like '{date}', which do not say whether day or month comes first")


def test_the_hour_that_summer_time_skips_or_doubles_is_read_by_its_offset(tmp_path: Path) -> None:
    spring = ["2025-03-30T01:58:00+01:00", "2025-03-30T01:59:00+01:00", "2025-03-30T03:00:00+02:00"]
    autumn = ["2025-10-26T02:59:00+02:00", "2025-10-26T02:00:00+01:00", "2025-10-26T02:01:00+01:00"]
    for hour in (spring, autumn):
        content = "\n".join(["time,open,high,low,close,Volume", *(f"{time},{CANDLE}" for time in hour)])
        opens = opens_of(written(tmp_path / "BINANCE_BTCUSDT, 1.csv", content))
        assert np.diff(opens).tolist() == [1, 1]


@pytest.mark.parametrize(
    "content",
    [
        "timestamp,open,high,low,close,volume\n"
        + "".join(f"{START_S + 60 * row},{CANDLE}\n" for row in range(30)[::-1]),
        "unix,date,symbol,open,high,low,close,volume,Volume USDT,tradecount\n"
        + "".join(
            f"{(START_S + 60 * row) * 1000},2025-01-01 00:{row:02}:00,BTCUSDT,{CANDLE},500,7\n"
            for row in range(30)[::-1]
        ),
    ],
    ids=["Kaggle", "CryptoDataDownload"],
)
def test_rows_in_descending_order_are_read(content: str, tmp_path: Path) -> None:
    assert opens_of(written(tmp_path / "a.csv", content)) == list(range(30))[::-1]


def cdd_file(names: str, symbol: str, *, milliseconds: bool, amounts: str = "5,500") -> str:
    """A file as CryptoDataDownload gives it: its address, a header, and the newest row first."""
    unit = 1000 if milliseconds else 1
    return "\n".join(
        [
            "https://www.CryptoDataDownload.com",
            names,
            *(
                f"{(START_S + 60 * row) * unit},2025-01-01 00:{row:02}:00,{symbol},100,101,99,100.5,{amounts},7"
                for row in range(30)[::-1]
            ),
            "",
        ]
    )


BASE_FIRST = "Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount"
QUOTE_FIRST = "unix,date,symbol,open,high,low,close,Volume USDT,Volume BTC,tradecount"


@pytest.mark.parametrize("milliseconds", [True, False], ids=["in ms", "in s"])
@pytest.mark.parametrize(("names", "amounts"), [(BASE_FIRST, "5,500"), (QUOTE_FIRST, "500,5")])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTC/USDT"])
def test_a_file_with_a_line_before_its_header_is_read_and_says_so(
    names: str, amounts: str, symbol: str, milliseconds: bool, tmp_path: Path
) -> None:
    content = cdd_file(names, symbol, milliseconds=milliseconds, amounts=amounts)
    path = written(tmp_path / "Binance_BTCUSDT_2025_minute.csv", content)
    with open_candle_file(path, BITCOIN) as file:
        [batch] = list(file.batches())
        assert file.notes == ["a line before the header skipped: 'https://www.CryptoDataDownload.com'"]
    rows = batch.rows
    assert rows.ts_open_ms.tolist() == [(START_S + 60 * row) * 1000 for row in range(30)[::-1]]
    assert set(rows.values[4]) == {5.0}
    assert (set(rows.quote_volume), set(rows.trades)) == ({500.0}, {7.0})
    assert rows.first_row == 3


def test_the_volume_of_another_asset_is_no_volume_of_the_instrument(tmp_path: Path) -> None:
    names = BASE_FIRST.replace("Volume BTC", "Volume ETH")
    path = written(tmp_path / "a.csv", cdd_file(names, "BTCUSDT", milliseconds=True).partition("\n")[2])
    assert fault_of(path).endswith("and lacks volume")


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())], ids=["csv", "gzip"])
def test_some_lines_before_a_header_are_skipped_whoever_wrote_them(
    pack: Callable[[str], bytes], tmp_path: Path
) -> None:
    before = "Disclaimer: as it is\n\nexported,2025-02-01,,,,\n"
    path = written(tmp_path / "a.csv", pack(before + csv_of(MINUTES)))
    assert opens_of(path) == list(range(20))
    with open_candle_file(path, BITCOIN) as file:
        [note] = file.notes
    assert note == "2 lines before the header skipped: 'Disclaimer: as it is', 'exported,2025-02-01,,,,'"


@pytest.mark.parametrize(
    ("before", "fault"),
    [
        ("by somebody\n", "has the columns by somebody and lacks ts_open, open, high, low, close, volume"),
        ("by somebody\n" * 11 + HEADER + "\n", "has the columns by somebody and lacks"),
        (f"{START_S},100,101,99,100\n{HEADER}\n", "has no header and 5 columns"),
    ],
    ids=["no header behind it", "too many lines", "a row"],
)
def test_no_line_is_skipped_unless_a_header_follows_and_it_may_not_be_a_row(
    before: str, fault: str, tmp_path: Path
) -> None:
    rows = csv_of(MINUTES).partition("\n")[2]
    assert fault_of(written(tmp_path / "a.csv", before + rows)).startswith(fault)


def test_seconds_milliseconds_and_microseconds_may_stand_in_one_file(tmp_path: Path) -> None:
    units = (1, 1000, 10**6)
    rows = "".join(
        f"{(START_S + 60 * row) * units[row % 3]},{CANDLE},{(START_S + 60 * row + 60) * units[row % 3]}\n"
        for row in range(30)
    )
    assert opens_of(written(tmp_path / "a.csv", f"{HEADER},close_time\n{rows}")) == list(range(30))


@pytest.mark.parametrize("ending", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("header", [True, False])
def test_any_line_end_is_one(ending: str, header: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candleray.market_data.files.csv_files.CHUNK_BYTES", 97)
    content = csv_of(MINUTES) if header else csv_of(MINUTES).partition("\n")[2]
    path = written(tmp_path / "a.csv", content.replace("\n", ending))
    assert opens_of(path) == list(range(20))


def test_what_the_parser_of_csv_refuses_is_a_bad_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", '"' + "a" * 140_000 + '",b\n1,2\n')
    assert fault_of(path).startswith("cannot be read (field larger than field limit")


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())], ids=["csv", "gzip"])
def test_a_pipe_is_read_whole(pack: Callable[[str], bytes], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = pack(csv_of([60 * row for row in range(1440)]))
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    assert opens_of(pipe) == list(range(1440))
    writer.join()


def test_a_contradiction_at_the_end_of_a_long_file_is_found_before_its_first_row_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candleray.market_data.files.csv_files.CHUNK_BYTES", 1000)
    given: list[CandleFile] = []
    steps = [60 * row for row in range(300)]
    content = csv_of(steps, HEADER + ",symbol", lambda row: ",ETHUSDT" if row == 299 else ",BTCUSDT")
    with pytest.raises(BadFile), open_candle_file(written(tmp_path / "a.csv", content), BITCOIN) as file:
        given.append(file)
    assert given == []
