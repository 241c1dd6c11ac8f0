"""CSV files as `CandleRows`, some megabytes of whole lines at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from candleray.candles import CandleRows
from candleray.errors import BadFile
from candleray.market_data.files.file_columns import (
    CLOSE_TIME,
    CLOSED,
    LABELS,
    LAYOUTS_WITHOUT_HEADER,
    TIME,
    FileRows,
    find_columns,
    to_rows,
)
from candleray.market_data.files.file_times import TimeReader, refuse

CHUNK_BYTES = 8 * 2**20
"""Holds about 75,000 rows of an exchange archive."""

_MOST_PREAMBLE_LINES = 10


class ByteStream(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def csv_batches(
    stream: ByteStream, source: str, symbol: str, times: TimeReader, remark: Callable[[str], None]
) -> Iterator[FileRows]:
    """Batches of rows, whatever ends the lines; `first_row` counts those that are not blank, the header too.

    Args:
        remark: takes what is to be said of lines that were skipped before the header.

    Raises:
        BadFile: the file is no text, has no known columns, or a line of more than 8 MiB.
    """
    chunks = _whole_lines(stream, source)
    first = next(chunks, b"").removeprefix(b"\xef\xbb\xbf")
    preamble, first = _split_preamble(first, source, symbol, times)
    if preamble:
        remark(_skipped(preamble))
    reader, header_lines = _reader(first, source, symbol, times)
    line = 1 + len(preamble) + header_lines
    for chunk in chain([first.partition(b"\n")[2] if header_lines else first], chunks):
        if chunk:
            rows = reader.read(chunk, line)
            line += len(rows)
            yield rows


def _whole_lines(stream: ByteStream, source: str) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(CHUNK_BYTES):
        if b"\0" in block:
            raise refuse(source, "is not text")
        if b"\r" in block:
            # A line may end with CR LF, or as on old Macs with CR alone. One cut in two leaves a blank line.
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines, newline, tail = (rest + block).rpartition(b"\n")
        if not newline and len(tail) >= CHUNK_BYTES:
            raise refuse(source, "has a line of more than 8 MiB")
        if newline:
            yield lines + newline
        rest = tail
    if rest:
        yield rest


def _split_preamble(chunk: bytes, source: str, symbol: str, times: TimeReader) -> tuple[list[str], bytes]:
    """The lines before a header that has a candle's columns, without blank ones, and the rest from it on.

    No line is skipped unless such a header follows, nor one with two numbers: that may be a row.
    """
    skipped: list[str] = []
    rest = chunk
    for _ in range(1 + _MOST_PREAMBLE_LINES):
        line, _, behind = rest.partition(b"\n")
        fields, _ = _fields(line)
        numbers = sum(_is_number_or_time(field, times) for field in fields)
        if not numbers and _has_columns(fields, source, symbol):
            return skipped, rest
        if numbers > 1 or not behind:
            break
        skipped += [text] if (text := line.decode(errors="replace").strip()) else []
        rest = behind
    return [], chunk


def _has_columns(fields: Sequence[str], source: str, symbol: str) -> bool:
    try:
        return bool(find_columns(fields, source, symbol))
    except BadFile:
        return False


def _skipped(lines: Sequence[str]) -> str:
    shown = ", ".join(repr(line[:60]) for line in lines[:3]) + (", …" if len(lines) > 3 else "")
    return f"{'a line' if len(lines) == 1 else f'{len(lines)} lines'} before the header skipped: {shown}"


def _fields(line: bytes) -> tuple[list[str], str]:
    """The fields of a line, and what divides them."""
    text = line.decode(errors="replace")
    delimiter = max(",;\t", key=text.count)
    return next(csv.reader([text], delimiter=delimiter), []), delimiter


def _reader(chunk: bytes, source: str, symbol: str, times: TimeReader) -> tuple[_Reader, int]:
    """The reader of the file, and the number of its header lines (1 or 0)."""
    fields, delimiter = _fields(chunk.partition(b"\n")[0])
    if not any(_is_number_or_time(field, times) for field in fields):
        return _Reader(len(fields), find_columns(fields, source, symbol), delimiter, source, times), 1
    if len(fields) not in LAYOUTS_WITHOUT_HEADER:
        allowed = ", ".join(str(count) for count in LAYOUTS_WITHOUT_HEADER)
        raise refuse(source, f"has no header and {len(fields)} columns (without one: {allowed})")
    layout = find_columns(LAYOUTS_WITHOUT_HEADER[len(fields)], source, symbol)
    return _Reader(len(fields), layout, delimiter, source, times), 0


def _is_number_or_time(field: str, times: TimeReader) -> bool:
    return bool(field.strip()) and bool(times.read(pa.chunked_array([[field]], pa.string()))[0] != 0)


class _Reader:
    def __init__(
        self, width: int, columns: dict[str, int], delimiter: str, source: str, times: TimeReader
    ) -> None:
        self._names = [f"column {at}" for at in range(width)]
        self._columns = {ours: self._names[at] for ours, at in columns.items()}
        self._delimiter = delimiter
        self._source = source
        self._times = times

    def read(self, chunk: bytes, first_row: int) -> FileRows:
        numeric = {name: _type_of(ours) for ours, name in self._columns.items()}
        try:
            table, torn = self._parse(chunk, numeric)
        except pa.ArrowInvalid:
            # Some field is not a number. Reading text is slower, but only that field's row is lost.
            text = chunk if chunk.isascii() else chunk.decode(errors="replace").encode()
            table, torn = self._parse(text, dict.fromkeys(numeric, pa.string()))
        rows = to_rows(
            {ours: table[name] for ours, name in self._columns.items()}, first_row, self._times, self._source
        )
        return _with_torn_rows(rows, torn)

    def _parse(self, chunk: bytes, types: dict[str, pa.DataType]) -> tuple[pa.Table, list[int]]:
        """The table, and the positions of lines with another number of fields."""
        torn: list[int] = []

        def skip(row: pa_csv.InvalidRow) -> str:
            torn.append(row.number)
            return "skip"

        table = pa_csv.read_csv(
            pa.py_buffer(chunk),
            # One thread: with several, rows have no numbers, and the insert is slower than the parser anyway.
            read_options=pa_csv.ReadOptions(
                column_names=self._names, use_threads=False, block_size=len(chunk) + 1
            ),
            parse_options=pa_csv.ParseOptions(delimiter=self._delimiter, invalid_row_handler=skip),
            convert_options=pa_csv.ConvertOptions(column_types=types, include_columns=list(types)),
        )
        return table, torn


def _type_of(column: str) -> pa.DataType:
    if column in (TIME, CLOSE_TIME):
        return pa.int64()
    return pa.string() if column in (CLOSED, *LABELS) else pa.float64()


def _with_torn_rows(batch: FileRows, torn: Sequence[int]) -> FileRows:
    """The rows, with an unreadable row wherever a line had too few or too many fields."""
    if not torn:
        return batch
    rows, at = batch.rows, np.asarray(torn) - 1 - np.arange(len(torn))
    with_torn = CandleRows(
        np.insert(rows.ts_open_ms, at, 0),
        np.insert(rows.values, at, np.nan, axis=1),
        np.insert(rows.quote_volume, at, np.nan),
        np.insert(rows.trades, at, np.nan),
        rows.first_row,
    )
    close_ms = None if batch.close_ms is None else np.insert(batch.close_ms, at, 0)
    # That a torn line cannot be read says more than that it is not closed.
    closed = None if batch.closed is None else np.insert(batch.closed, at, True)
    return FileRows(with_torn, close_ms, closed, batch.labels)
