"""Candles between the SDK and the API as Arrow IPC streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from candleray.candles import COLUMNS, CandleRows

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"


def parts(rows: CandleRows, size: int) -> Iterator[CandleRows]:
    """The rows in order, so many at a time; each part still knows its numbers in the source."""
    for first in range(0, len(rows), size):
        part = slice(first, first + size)
        yield replace(
            rows,
            ts_open_ms=rows.ts_open_ms[part],
            values=rows.values[:, part],
            quote_volume=rows.quote_volume[part],
            trades=rows.trades[part],
            first_row=rows.first_row + first,
        )


def encode_rows(rows: CandleRows) -> bytes:
    """The body that inserts these rows."""
    import pyarrow as pa

    columns = {
        "ts_open_ms": rows.ts_open_ms,
        **dict(zip(COLUMNS, rows.values, strict=True)),
        "quote_volume": rows.quote_volume,
        "trades": rows.trades,
    }
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def decode_bars(answer: bytes) -> tuple[pa.Table, str | None]:
    """A page of bars, and the `start` of the next page if there is one."""
    import pyarrow as pa

    table = pa.ipc.open_stream(answer).read_all()
    next_start = (table.schema.metadata or {}).get(b"next_start")
    return table, None if next_start is None else next_start.decode()


def bars_table(pages: list[pa.Table]) -> pa.Table:
    """Pages as one table, whose `ts_open` is a timestamp in UTC."""
    import pyarrow as pa

    table = pa.concat_tables([page.replace_schema_metadata(None) for page in pages])
    return table.set_column(0, "ts_open", table["ts_open_ms"].cast(pa.timestamp("ms", tz="UTC")))
