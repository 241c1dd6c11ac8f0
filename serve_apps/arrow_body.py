"""Candles as an Arrow IPC stream, out and, from whoever, in."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa

from candleray.candles import COLUMNS, CandleRows, Candles, FloatArray
from candleray.errors import BadFile, nearest
from candleray.timeframes import iso

TIME = "ts_open_ms"
REQUIRED: dict[str, Any] = {TIME: pa.int64(), **dict.fromkeys(COLUMNS, pa.float64())}
OPTIONAL: dict[str, Any] = {"quote_volume": pa.float64(), "trades": pa.float64()}


def write_stream(candles: Candles, next_start_ms: int | None) -> bytes:
    """The candles; where the next page starts is the schema's metadata `next_start`."""
    metadata = {"next_start": iso(next_start_ms)} if next_start_ms is not None else {}
    columns = [candles.ts_open_ms, *candles.values]
    table = pa.table([pa.array(column) for column in columns], pa.schema(list(REQUIRED.items()), metadata))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read_stream(body: bytes, first_row: int) -> CandleRows:
    """The rows of an Arrow IPC stream, unscreened.

    Raises:
        BadFile: it is none, it is compressed, or its columns are others.
    """
    try:
        table = _read_table(body)
    except (pa.ArrowException, OSError, ValueError, struct.error) as exc:
        reason = str(exc).splitlines()[0][:200]
        raise BadFile(f"the body is not a whole Arrow IPC stream: {reason}") from exc
    if table[TIME].null_count:
        raise BadFile(f"column {TIME} has {table[TIME].null_count} nulls")
    values = np.empty((len(COLUMNS), len(table)))
    for row, name in enumerate(COLUMNS):
        values[row] = _floats(table, name)
    return CandleRows(
        table[TIME].to_numpy(), values, _floats(table, "quote_volume"), _floats(table, "trades"), first_row
    )


def _read_table(body: bytes) -> Any:
    source = pa.BufferReader(body)
    # The schema first: it has only plain columns, so that no nested or dictionary data is ever decoded.
    schema = pa.ipc.read_schema(source)
    _check_schema(schema)
    batches = []
    while (message := _next_message(source)) is not None:
        batches.append(pa.ipc.read_record_batch(message, schema))
        # What a length field claims is nowhere checked but here.
        batches[-1].validate(full=True)
    return pa.Table.from_batches(batches, schema)


def _check_schema(schema: Any) -> None:
    known = REQUIRED | OPTIONAL
    for name in schema.names:
        if name not in known:
            raise BadFile(f"unknown column {name[:60]!r}; {nearest(name, list(known))}")
        if schema.names.count(name) > 1:
            raise BadFile(f"column {name} stands twice")
        if schema.field(name).type != known[name]:
            needed = known[name].to_pandas_dtype().__name__
            raise BadFile(f"column {name} is of type {str(schema.field(name).type)[:60]}, {needed} is needed")
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
        raise BadFile(f"the stream has a message of type {message.type[:40]!r}, record batches alone are taken")
    if _is_compressed(memoryview(message.metadata)):
        # A few kilobytes can unpack to more than the machine holds.
        raise BadFile("the stream is compressed; send it uncompressed")
    return message


def _is_compressed(metadata: memoryview) -> bool:
    """Whether the record batch's header has a `compression` field: pyarrow shows the metadata alone.

    Flatbuffers: a table begins with the distance back to its vtable, which lists the offset of each field, 0 for
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
    """The column, NaN where it has nulls or is not there."""
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    values: FloatArray = table[name].to_numpy()
    return values
