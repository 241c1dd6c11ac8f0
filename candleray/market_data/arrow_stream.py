"""Candles as Arrow IPC streams between the SDK and the API.

Rows to insert go to the API, pages of bars come back. `decode_rows` takes bytes from anyone and is strict with
them.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa

from candleray.candles import COLUMNS, CandleRows, Candles, FloatArray
from candleray.errors import BadFile, first_line, nearest
from candleray.timeframes import iso

ARROW = "application/vnd.apache.arrow.stream"
TIME = "ts_open_ms"
REQUIRED: dict[str, str] = {TIME: "int64", **dict.fromkeys(COLUMNS, "float64")}
ROW = "row"
OPTIONAL: dict[str, str] = {"quote_volume": "float64", "trades": "float64", ROW: "int64"}
"""`row` is the row's number in its source, where the numbers do not follow one another."""


def encode_rows(rows: CandleRows) -> bytes:
    """The body of a request that inserts these rows."""
    columns = {
        TIME: rows.ts_open_ms,
        **dict(zip(COLUMNS, rows.values, strict=True)),
        "quote_volume": rows.quote_volume,
        "trades": rows.trades,
        **({} if rows.numbers is None else {ROW: rows.numbers}),
    }
    return stream_of(pa.table(columns))


def encode_bars(bars: Candles, next_start_ms: int | None) -> bytes:
    """A page of bars; the start of the next page is the schema's metadata `next_start`."""
    table = pa.table({TIME: bars.ts_open_ms, **dict(zip(COLUMNS, bars.values, strict=True))})
    metadata = {"next_start": iso(next_start_ms)} if next_start_ms is not None else {}
    return stream_of(table.replace_schema_metadata(metadata))


def stream_of(table: pa.Table) -> bytes:
    """A table as one Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def decode_bars(answer: bytes) -> tuple[pa.Table, str | None]:
    """A page of bars, and the `start` of the next page if there is one.

    Raises:
        BadFile: it is no Arrow stream.
    """
    try:
        table = pa.ipc.open_stream(answer).read_all()
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise BadFile(f"it is not a whole Arrow IPC stream: {first_line(exc, 200)}") from exc
    next_start = (table.schema.metadata or {}).get(b"next_start")
    return table, None if next_start is None else next_start.decode()


def bars_table(pages: list[pa.Table]) -> pa.Table:
    """One table of all pages; its first column is `ts_open`, a timestamp in UTC."""
    table = pa.concat_tables([page.replace_schema_metadata(None) for page in pages])
    return table.set_column(0, "ts_open", table["ts_open_ms"].cast(pa.timestamp("ms", tz="UTC")))


def decode_rows(body: bytes, first_row: int) -> CandleRows:
    """The rows of a stream, not yet screened; `first_row` is the number of the first one in its source.

    Raises:
        BadFile: the body is no whole stream, is compressed, or has other columns.
    """
    try:
        table = _read_table(body)
    except (pa.ArrowException, OSError, ValueError, struct.error) as exc:
        raise BadFile(f"the body is not a whole Arrow IPC stream: {first_line(exc, 200)}") from exc
    for whole in (TIME, ROW):
        if whole in table.column_names and table[whole].null_count:
            raise BadFile(f"column {whole} has {table[whole].null_count} nulls")
    numbers = table[ROW].to_numpy() if ROW in table.column_names else None
    values = np.empty((len(COLUMNS), len(table)))
    for row, name in enumerate(COLUMNS):
        values[row] = _floats(table, name)
    return CandleRows(
        table[TIME].to_numpy(),
        values,
        _floats(table, "quote_volume"),
        _floats(table, "trades"),
        first_row,
        numbers,
    )


def _read_table(body: bytes) -> pa.Table:
    source = pa.BufferReader(body)
    # The schema first: it has only plain columns, so that no nested or dictionary data is ever decoded.
    schema = pa.ipc.read_schema(source)
    _check_schema(schema)
    batches = []
    while (message := _next_message(source)) is not None:
        batches.append(pa.ipc.read_record_batch(message, schema))
        # Nothing else checks the lengths that the message claims.
        batches[-1].validate(full=True)
    return pa.Table.from_batches(batches, schema)


def _check_schema(schema: Any) -> None:
    known = REQUIRED | OPTIONAL
    for name in schema.names:
        if name not in known:
            raise BadFile(
                f"unknown column {name[:60]!r}; {nearest(name, list(known))}: send closed candles of one minute, "
                "and nothing of what the source says beside them"
            )
        if schema.names.count(name) > 1:
            raise BadFile(f"column {name} stands twice")
        if schema.field(name).type != pa.from_numpy_dtype(known[name]):
            raise BadFile(f"column {name} is of type {str(schema.field(name).type)[:60]}, {known[name]} is needed")
    missing = [name for name in REQUIRED if name not in schema.names]
    if missing:
        raise BadFile(f"column {missing[0]} is missing; needed: {', '.join(REQUIRED)}")


def _next_message(source: Any) -> Any:
    """The next record batch, or None after the last."""
    try:
        message = pa.ipc.read_message(source)
    except EOFError:
        return None
    if message.type != "record batch":
        raise BadFile(f"the stream has a message of type {message.type[:40]!r}, only record batches are accepted")
    if _is_compressed(memoryview(message.metadata)):
        # A few kilobytes can unpack to more than the machine holds.
        raise BadFile("the stream is compressed; send it uncompressed")
    return message


def _is_compressed(metadata: memoryview) -> bool:
    """True where the record batch's header has a `compression` field; pyarrow only shows the raw metadata.

    In flatbuffers a table begins with the distance back to its vtable, which lists the offset of each field, 0 for
    none. `Message.header` is field 2, `RecordBatch.compression` field 3.
    """

    def field(table: int, index: int) -> int:
        vtable = table - struct.unpack_from("<i", metadata, table)[0]
        size = struct.unpack_from("<H", metadata, vtable)[0]
        at = 4 + 2 * index
        return struct.unpack_from("<H", metadata, vtable + at)[0] if at < size else 0

    message = struct.unpack_from("<I", metadata, 0)[0]
    header = message + field(message, 2)
    batch = header + struct.unpack_from("<I", metadata, header)[0]
    return field(batch, 3) != 0


def _floats(table: Any, name: str) -> FloatArray:
    """The column; NaN for its nulls, and everywhere where the table has no such column."""
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    values: FloatArray = table[name].to_numpy()
    return values
