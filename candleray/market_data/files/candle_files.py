"""Candle files as batches of rows: Parquet, CSV, CSV.gz and exchange archives (a CSV in a ZIP).

A file's first bytes decide what it is, not its name. It is read twice, one batch at a time, so memory stays
bounded: first for what it says of itself, which must not contradict the command, then for its rows.
"""

from __future__ import annotations

import csv
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from candleray.candles import CandleRows
from candleray.errors import first_line
from candleray.exchanges.discovery import EXCHANGES
from candleray.market_data.files.csv_files import ByteStream, csv_batches
from candleray.market_data.files.file_columns import FileRows, find_columns, to_rows
from candleray.market_data.files.file_evidence import FileEvidence, split_closed
from candleray.market_data.files.file_names import NameClaims, claims_of
from candleray.market_data.files.file_times import TimeReader, refuse
from candleray.market_data.files.opened_files import MOST_BYTES, opened
from candleray.market_data.insert_report import RefusedRows
from candleray.markets import Instrument

BATCH_ROWS = 100_000

# Klines pack 3 to 30 times smaller; a bomb, a thousand times.
_MAX_PACKING = 200

_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
_UNREADABLE = (csv.Error, pa.ArrowException, ValueError, OverflowError)


@dataclass(frozen=True)
class FileBatch:
    """Rows to insert, not yet screened, and an account of those that the file itself calls no closed minutes."""

    rows: CandleRows
    refused: tuple[RefusedRows, ...]


class CandleFile:
    """An open file that says nothing against being one-minute candles of the instrument."""

    def __init__(self, stream: IO[bytes], path: Path, instrument: Instrument) -> None:
        self._stream, self._path, self._source = stream, path, str(path)
        self._symbol = instrument.symbol
        exchange = EXCHANGES.get(instrument.market.exchange)
        self._times = TimeReader(self._source, exchange.dotted_dates_utc_offset_h if exchange else None)
        self._names: list[NameClaims] = [claims_of(path.name)]
        self._remarks: dict[str, None] = {}  # the file is read twice, and says things once
        self._examined = False
        self._examine(instrument)

    @property
    def notes(self) -> list[str]:
        """Remarks on the file for the report."""
        return [*self._remarks, *(note for note in (self._times.note,) if note)]

    def batches(self) -> Iterator[FileBatch]:
        """The rows in the file's own order, with their numbers in it."""
        for batch in self._rows():
            kept, refused = split_closed(batch)
            yield FileBatch(batch.rows if not refused else batch.rows.numbered().take(kept), refused)

    def _examine(self, instrument: Instrument) -> None:
        """Read the file through: damage and contradictions are found before any row is used."""
        rows, evidence = 0, None
        for batch in self._rows():
            evidence = evidence or FileEvidence(instrument, self._names)
            evidence.add(batch)
            rows += len(batch)
        if evidence is None or not rows:
            raise refuse(self._source, "holds no rows")
        if fault := evidence.contradiction():
            raise refuse(self._source, fault)
        self._examined = True

    def _rows(self) -> Iterator[FileRows]:
        self._stream.seek(0)
        head = self._stream.read(4)
        self._stream.seek(0)
        try:
            with self._damage_reported():
                yield from self._rows_of(head)
        except _UNREADABLE as exc:
            raise refuse(self._source, f"cannot be read ({first_line(exc, 120)})") from exc

    def _rows_of(self, head: bytes) -> Iterator[FileRows]:
        match head:
            case b"":
                raise refuse(self._source, "is empty")
            case b"PAR1":
                yield from self._parquet_rows()
            case _ if head[:2] == b"\x1f\x8b":
                yield from self._gzip_rows()
            case _ if head[:2] == b"PK":
                yield from self._zip_rows()
            case _ if self._path.suffix.lower() in (".parquet", ".gz", ".zip"):
                raise refuse(self._source, f"does not begin as a {self._path.suffix} file does")
            case _:
                yield from self._csv_rows(self._stream, self._source)

    def _csv_rows(self, stream: ByteStream, source: str) -> Iterator[FileRows]:
        return csv_batches(stream, source, self._symbol, self._times, self._remarks.setdefault)

    def _parquet_rows(self) -> Iterator[FileRows]:
        try:
            with pq.ParquetFile(self._stream) as file:
                names = file.schema_arrow.names
                columns = {ours: names[at] for ours, at in find_columns(names, self._source, self._symbol).items()}
                first_row = 1
                for batch in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(columns.values()))):
                    table = pa.Table.from_batches([batch])
                    found = {ours: table[theirs] for ours, theirs in columns.items()}
                    yield to_rows(found, first_row, self._times, self._source)
                    first_row += len(batch)
        except (pa.ArrowException, OSError) as exc:
            raise refuse(self._source, f"is damaged ({first_line(exc, 120)})") from exc

    def _gzip_rows(self) -> Iterator[FileRows]:
        packed_bytes = self._stream.seek(0, 2)
        self._stream.seek(0)
        self._names[1:] = [claims_of(name) for name in (_name_within(self._stream),) if name]
        self._stream.seek(0)
        self._read_through(partial(gzip.open, self._stream), packed_bytes)
        self._stream.seek(0)
        with gzip.open(self._stream) as stream:
            yield from self._csv_rows(stream, self._source)

    def _zip_rows(self) -> Iterator[FileRows]:
        with zipfile.ZipFile(self._stream) as archive:
            member = _only_member(archive, self._source)
            self._names[1:] = [claims_of(Path(member.filename).name)]
            self._read_through(partial(archive.open, member), max(member.compress_size, 1))
            with archive.open(member) as stream:
                yield from self._csv_rows(stream, f"{self._source} ({member.filename})")

    def _read_through(self, unpacked: Callable[[], AbstractContextManager[ByteStream]], packed_bytes: int) -> None:
        """Read to the end once, to find damage (checksums, a cut-off end) and bombs before a line is parsed."""
        if self._examined:
            return
        limit, found = min(MOST_BYTES, max(packed_bytes * _MAX_PACKING, 2**26)), 0
        with unpacked() as stream:
            while block := stream.read(2**20):
                found += len(block)
                if found > limit:
                    raise refuse(self._source, f"unpacks to more than {limit // 2**20} MiB")

    @contextmanager
    def _damage_reported(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGED as exc:
            raise refuse(self._source, f"is damaged or cut off ({first_line(exc, 120)})") from exc


@contextmanager
def open_candle_file(path: Path, instrument: Instrument) -> Iterator[CandleFile]:
    """A file, read through and found to hold one-minute candles of the instrument; `-` is standard input.

    Raises:
        BadFile: it cannot be read, or what it says of itself contradicts that.
    """
    with opened(path) as stream:
        yield CandleFile(stream, path, instrument)


def _name_within(stream: IO[bytes]) -> str:
    """The name that the file had before gzip packed it, where gzip kept it."""
    head = stream.read(1024)
    if len(head) < 10 or head[3] & 0b1100 != 0b1000:  # a name, and no extra field before it
        return ""
    return head[10:].partition(b"\0")[0].decode("latin-1")


def _only_member(archive: zipfile.ZipFile, source: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise refuse(source, f"holds {len(members)} files and not one CSV")
    if members[0].flag_bits & 1:
        raise refuse(source, "is encrypted")
    return members[0]
