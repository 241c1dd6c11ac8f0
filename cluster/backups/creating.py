"""The making of a backup, while the instance runs.

Postgres comes first, in one snapshot, then the candles: no candle that Postgres speaks of is missing, because the
raw tables forget none. What is read after the snapshot are more candles, which a restored instance finds as if
they had come while it was down.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from candleray.build import own_build
from candleray.errors import InstanceError
from candleray.inventory import Inventory
from candleray.market_data.candle_store_client import StoreCall
from candleray.market_data.ledger.raw_copies import COPIED_WHOLE, RAW_TABLES
from cluster.backups.database_dump import PostgresDump, pieces_of
from cluster.backups.manifest import CandlePiece, DumpFile, Manifest, TablePiece
from cluster.backups.repository import Repository
from cluster.backups.sources import Sources

_CONSTANT = ("symbol", "instrument_key", "source")


class Made(NamedTuple):
    manifest: Manifest
    written_bytes: int
    """Bytes of what had changed since the backups before."""


def make_backup(repository: Repository, sources: Sources, inventory: Inventory) -> Made:
    """Make one; the caller holds the repository alone.

    Raises:
        InstanceError: the disk is full, or may not be written; or there is nothing yet.
        ServiceUnavailable: a database has ceased to answer.
    """
    repository.storage.remove_unfinished()
    if not sources.postgres.has_tables():
        raise InstanceError("the database of Postgres is empty: a backup is of an instance that was up once")
    began_at, before_bytes = datetime.now(UTC), repository.written_bytes
    record = inventory.record()
    former = repository.former(record.id)
    known = {_key(piece): piece for piece in former.candles} if former else {}
    versions = set(sources.postgres.key_versions())
    dump = _dump(repository, sources.postgres)
    tables, candles = asyncio.run(_candles(repository, sources.candles, known))
    manifest = Manifest(
        backup=f"{began_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        instance=record.id,
        began_at=began_at,
        ended_at=datetime.now(UTC),
        build=own_build(),
        simulated=record.simulated,
        postgres_version=sources.postgres.server_version(),
        migrations={"postgres": sources.postgres.migration(), "clickhouse": _newest_migration(repository, tables)},
        # Before and after: keys may be rotated meanwhile.
        key_versions=tuple(sorted(versions.union(sources.postgres.key_versions()))),
        dump=dump,
        tables=tables,
        candles=candles,
    )
    repository.commit(manifest)
    return Made(manifest, repository.written_bytes - before_bytes)


def _dump(repository: Repository, postgres: PostgresDump) -> tuple[DumpFile, ...]:
    with repository.storage.scratch() as scratch:
        folder = scratch / "postgres"
        postgres.write(folder)
        return tuple(_kept(repository, file) for file in sorted(folder.iterdir()))


def _kept(repository: Repository, file: Path) -> DumpFile:
    # Without a time in its head, equal content is packed to equal bytes.
    pieces = tuple(repository.put(gzip.compress(piece, 5, mtime=0)) for piece in pieces_of(file))
    return DumpFile(name=file.name, bytes=file.stat().st_size, pieces=pieces)


async def _candles(
    repository: Repository, call: StoreCall, known: Mapping[tuple[str, int, str, int], CandlePiece]
) -> tuple[tuple[TablePiece, ...], tuple[CandlePiece, ...]]:
    pieces = [piece async for piece in _candle_pieces(repository, call, known)]
    tables = []
    for table in COPIED_WHOLE:
        rows: pa.Table = await call("copied_table", table)
        piece, size = _kept_rows(repository, rows)
        tables.append(TablePiece(table=table, rows=len(rows), piece=piece, bytes=size))
    return tuple(tables), tuple(pieces)


async def _candle_pieces(
    repository: Repository, call: StoreCall, known: Mapping[tuple[str, int, str, int], CandlePiece]
) -> AsyncIterator[CandlePiece]:
    for table in RAW_TABLES:
        for market_id, symbol in await call("copied_instruments", table):
            for month, _, digest in await call("copied_months", table, market_id, symbol):
                former = known.get((table, market_id, symbol, month))
                if former and former.digest == digest and repository.has(former.piece, former.bytes):
                    yield former
                    continue
                rows: pa.Table = await call("copied_rows", table, market_id, symbol, month)
                piece, size = _kept_rows(repository, rows)
                yield CandlePiece(
                    table=table,
                    market_id=market_id,
                    symbol=symbol,
                    month=month,
                    rows=len(rows),
                    digest=digest,
                    piece=piece,
                    bytes=size,
                )


def _kept_rows(repository: Repository, rows: pa.Table) -> tuple[str, int]:
    content = io.BytesIO()
    dictionaries = [name for name in _CONSTANT if name in rows.column_names]
    pq.write_table(rows, content, compression="zstd", use_dictionary=dictionaries)
    return repository.put(content.getvalue()), content.tell()


def _newest_migration(repository: Repository, tables: tuple[TablePiece, ...]) -> int:
    piece = next(table.piece for table in tables if table.table == "schema_migrations")
    return max(pq.read_table(io.BytesIO(repository.read(piece)))["number"].to_pylist(), default=0)


def _key(piece: CandlePiece) -> tuple[str, int, str, int]:
    return piece.table, piece.market_id, piece.symbol, piece.month
