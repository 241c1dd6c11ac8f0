"""Candle files as batches of rows: Parquet, CSV, CSV.gz and exchange archives (a CSV in a ZIP).

A file's first bytes decide what it is, not its name. It is read one batch at a time, so memory stays bounded.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from candleray.candles import CandleRows
from candleray.market_data.csv_files import ByteStream, csv_batches
from candleray.market_data.file_columns import find_columns, refuse, to_rows
from candleray.market_data.screening import YEAR_2009_MS
from candleray.timeframes import MINUTE_MS

BATCH_ROWS = 100_000

# Klines pack 3 to 30 times smaller; a bomb, a thousand times.
_MAX_PACKING = 200
_MAX_UNPACKED_BYTES = 16 * 2**30

_ENOUGH_STEPS = 10
"""With fewer steps, an odd spacing may come from holes or single bad rows."""

_DAMAGED = (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError)


def read_candle_file(path: Path) -> Iterator[CandleRows]:
    """Batches of a file's rows in its own order, not yet screened, with their row numbers.

    A packed file is read through once before its first row is yielded, so that a damaged file yields none.

    Raises:
        BadFile: at once where the first rows are not one-minute candles; while iterating where a later part cannot
            be read.
    """
    batches = _batches(path)
    first = next((batch for batch in batches if len(batch)), None)
    if first is None:
        raise refuse(str(path), "holds no rows")
    _require_minutes(first, str(path))
    return chain([first], batches)


def _batches(path: Path) -> Iterator[CandleRows]:
    source = str(path)
    match _first_bytes(path):
        case b"":
            raise refuse(source, "is empty")
        case b"PAR1":
            yield from _parquet_batches(path)
        case head if head[:2] == b"\x1f\x8b":
            yield from _gzip_batches(path)
        case head if head[:2] == b"PK":
            yield from _zip_batches(path)
        case _ if path.suffix.lower() in (".parquet", ".gz", ".zip"):
            raise refuse(source, f"does not begin as a {path.suffix} file does")
        case _:
            with path.open("rb") as stream:
                yield from csv_batches(stream, source)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(4)
    except OSError as exc:
        raise refuse(str(path), f"cannot be read ({exc.strerror})") from exc


def _parquet_batches(path: Path) -> Iterator[CandleRows]:
    source = str(path)
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = {ours: names[at] for ours, at in find_columns(names, source).items()}
            first_row = 1
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns.values())):
                table = pa.Table.from_batches([batch])
                yield to_rows({ours: table[theirs] for ours, theirs in columns.items()}, first_row, source)
                first_row += len(batch)
    except (pa.ArrowException, OSError) as exc:
        raise refuse(source, f"is damaged ({str(exc).splitlines()[0][:120]})") from exc


def _gzip_batches(path: Path) -> Iterator[CandleRows]:
    with _damage_reported(path):
        with gzip.open(path) as stream:
            _read_through(stream, path, path.stat().st_size)
        with gzip.open(path) as stream:
            yield from csv_batches(stream, str(path))


def _zip_batches(path: Path) -> Iterator[CandleRows]:
    with _damage_reported(path), zipfile.ZipFile(path) as archive:
        member = _only_member(archive, path)
        with archive.open(member) as stream:
            _read_through(stream, path, max(member.compress_size, 1))
        with archive.open(member) as stream:
            yield from csv_batches(stream, f"{path} ({member.filename})")


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise refuse(str(path), f"holds {len(members)} files and not one CSV")
    if members[0].flag_bits & 1:
        raise refuse(str(path), "is encrypted")
    return members[0]


def _read_through(stream: ByteStream, path: Path, packed_bytes: int) -> None:
    """Read to the end, to find damage (checksums, a cut-off end) and bombs before any row is used."""
    limit = min(_MAX_UNPACKED_BYTES, max(packed_bytes * _MAX_PACKING, 2**26))
    unpacked = 0
    while block := stream.read(2**20):
        unpacked += len(block)
        if unpacked > limit:
            raise refuse(str(path), f"unpacks to more than {limit // 2**20} MiB")


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as exc:
        raise refuse(str(path), f"is damaged or cut off ({exc})") from exc


def _require_minutes(rows: CandleRows, source: str) -> None:
    """Refuse rows that are not a minute apart; hourly candles and seconds open on the minute too."""
    readable = np.unique(rows.ts_open_ms[rows.ts_open_ms > YEAR_2009_MS])
    if not readable.size:
        raise refuse(source, "has no time since 2009 in its first rows (a time of day without its date?)")
    steps = np.diff(readable)
    if steps.size >= _ENOUGH_STEPS and (np.median(steps) < MINUTE_MS or steps.min() > MINUTE_MS):
        raise refuse(source, f"has rows {float(np.median(steps)) / 1000:g} s apart")
