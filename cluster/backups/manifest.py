"""The manifest of a backup: everything that it is made of, by the names of its pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from pydantic import Field, ValidationError

from candleray.errors import InstanceError
from candleray.frozen_model import FrozenModel

FORMAT = 1

Piece = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CandlePiece(FrozenModel):
    """One instrument's rows of one month of a raw table, as a file of Parquet."""

    table: str
    market_id: int
    symbol: str
    month: int
    rows: int
    digest: str
    """The store's, before the rows were read: equal later, they are the same."""
    piece: Piece
    bytes: int


class TablePiece(FrozenModel):
    """One small table, whole, as a file of Parquet."""

    table: str
    rows: int
    piece: Piece
    bytes: int


class DumpFile(FrozenModel):
    """A file of the dump of Postgres, cut into pieces that are packed by gzip each."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(\.[a-z0-9]+)*$")]
    bytes: int
    pieces: tuple[Piece, ...]


class Manifest(FrozenModel):
    format: int = FORMAT
    backup: str
    """Id of the backup: the time it began, and something drawn."""
    instance: str
    """Id of the data folder that it is of."""
    began_at: datetime
    ended_at: datetime
    build: str
    simulated: bool
    postgres_version: int
    """Major version of the server whose dump this is."""
    migrations: dict[str, int]
    """The newest one of each database."""
    key_versions: tuple[str, ...]
    """Key-encryption keys without which its secrets stay closed. They are not in it."""
    dump: tuple[DumpFile, ...]
    tables: tuple[TablePiece, ...]
    candles: tuple[CandlePiece, ...]

    def pieces(self) -> Iterator[str]:
        for file in self.dump:
            yield from file.pieces
        yield from (table.piece for table in self.tables)
        yield from (candles.piece for candles in self.candles)

    @property
    def rows(self) -> int:
        """The number of rows of candles, all versions counted."""
        return sum(piece.rows for piece in self.candles)

    def sealed(self) -> bytes:
        """The file's content: a line with the digest of the others, then the manifest."""
        body = self.model_dump_json(indent=1).encode()
        return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def read_manifest(content: bytes, where: str) -> Manifest:
    """
    Raises:
        InstanceError: it is damaged, or of a later format; named by `where`.
    """
    digest, _, body = content.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise InstanceError(f"{where} is damaged: it does not agree with its digest")
    try:
        return Manifest.model_validate_json(body)
    except ValidationError as exc:
        raise InstanceError(
            f"{where} is of another version of Candleray ({exc.error_count()} fields differ): use that version"
        ) from exc
