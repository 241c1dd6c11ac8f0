"""The restoring of a backup, into an instance that has nothing yet.

A mark lies in the folder until all is there: `candleray up` refuses the folder meanwhile, and a restore that was
killed is begun again from nothing.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from candleray.databases.statements import migrations
from candleray.errors import Conflict, InstanceError, ServiceUnavailable
from candleray.identity.local_secrets import KEY_FILE
from candleray.identity.vault import KeyRing
from candleray.inventory import PARTS
from candleray.market_data.candle_store import CandleStore
from candleray.private_files import read_private, write_private
from candleray.settings import Settings
from cluster.backups.database_dump import PostgresDump
from cluster.backups.manifest import CandlePiece, Manifest
from cluster.backups.repository import Repository
from cluster.backups.sources import started_postgres, stored_candles
from cluster.machine.data_folder import DataFolder
from cluster.services.embedded_postgres import EmbeddedPostgres

_MONTHS_AT_ONCE = 12

Tell = Callable[[str], None]


def restore_backup(
    repository: Repository, manifest: Manifest, settings: Settings, tell: Tell, *, without_keys: bool = False
) -> None:
    """Restore it into the folder and the servers that the settings name.

    Raises:
        Conflict: there is something already.
        InstanceError: the backup is damaged or of a newer version, keys are missing, or the disk is full.
        ServiceUnavailable: a database does not take it.
    """
    folder = DataFolder(settings.data_path)
    require_known(manifest)
    require_keys(manifest, settings, without_keys=without_keys)
    tell("verifying the backup")
    if faults := list(repository.faults(manifest)):
        raise InstanceError(f"the backup {manifest.backup} is damaged, nothing was restored: {faults[0]}")
    _require_empty(folder)
    _require_room(folder, manifest)
    folder.prepare()
    with folder.locked(), _marked(folder, manifest):
        folder.inventory.require_origin(simulated=manifest.simulated)
        folder.make_run_dir()
        tell("restoring Postgres")
        with started_postgres(settings, folder) as postgres:
            _restore_dump(repository, manifest, postgres, folder)
        tell(f"restoring {manifest.rows:,} rows of candles")
        if settings.services.clickhouse_url is None:
            folder.begin_candles()
        with stored_candles(settings, folder) as store:
            _restore_candles(repository, manifest, store)
    folder.forget_run_dirs()


def require_known(manifest: Manifest) -> None:
    """
    Raises:
        InstanceError: a newer version has made it.
    """
    for name, number in manifest.migrations.items():
        if number > (known := migrations(name)[-1].number):
            raise InstanceError(
                f"a newer version of Candleray ({manifest.build}) has made the backup {manifest.backup}: its "
                f"{name} has migration {number}, this version knows {known}. Restore it by that version"
            )


def require_keys(manifest: Manifest, settings: Settings, *, without_keys: bool) -> None:
    """
    Raises:
        InstanceError: keys that its secrets are sealed by are neither in the settings nor in the data folder.
    """
    given, file = settings.identity.key_encryption_keys, settings.data_path / KEY_FILE
    text = given.get_secret_value() if given else read_private(file)
    missing = set(manifest.key_versions) - set(KeyRing.parse(text).keys if text else ())
    if missing and not without_keys:
        raise InstanceError(
            f"secrets in the backup are sealed by the key-encryption keys {', '.join(sorted(missing))}, which no "
            f"backup holds: put the file {KEY_FILE} of the former data folder into {settings.data_path}, or set "
            "CANDLERAY_IDENTITY__KEY_ENCRYPTION_KEYS. With --without-keys all else is restored, and second "
            "factors and exchange keys stay closed for good"
        )


def _require_empty(folder: DataFolder) -> None:
    if folder.restoring.exists():
        return
    if there := [name for name in PARTS if (folder.path / name).exists()]:
        raise Conflict(
            f"{folder} holds an instance already ({', '.join(there)}): name another folder by --data, or move "
            "that one away"
        )


def _require_room(folder: DataFolder, manifest: Manifest) -> None:
    needed = 2 * sum(file.bytes for file in manifest.dump) + sum(piece.bytes for piece in manifest.candles)
    place = next(path for path in (folder.path, *folder.path.parents) if path.exists())
    if (free := shutil.disk_usage(place).free) < needed:
        raise InstanceError(
            f"the restored instance takes about {needed / 2**20:,.0f} MiB and {place} has {free / 2**20:,.0f} "
            "free: make room, or name another folder by --data"
        )


@contextmanager
def _marked(folder: DataFolder, manifest: Manifest) -> Iterator[None]:
    """Mark the folder as unfinished until the block has ended well; what an earlier one left is removed first."""
    if folder.restoring.exists():
        EmbeddedPostgres(folder).stop()
        for name in PARTS:
            _remove(folder.path / name)
        folder.inventory.file.unlink(missing_ok=True)
        folder.inventory.begin()
    write_private(folder.restoring, manifest.backup)
    yield
    os.sync()  # the engine leaves its files to the system
    folder.restoring.unlink()


def _remove(path: Path) -> None:
    """Remove a part, also where its folder is a link to the place where Postgres may work."""
    target = path.resolve()
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(target, ignore_errors=True)


def _restore_dump(repository: Repository, manifest: Manifest, postgres: PostgresDump, folder: DataFolder) -> None:
    if postgres.has_tables():
        raise Conflict("the database at services.postgres_url has tables already: name an empty one")
    scratch = folder.path / "restoring-dump"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    try:
        for file in manifest.dump:
            with (scratch / file.name).open("wb") as written:
                for piece in file.pieces:
                    written.write(gzip.decompress(repository.read(piece)))
        postgres.restore(scratch)
    except OSError as exc:
        raise InstanceError(f"{scratch} cannot be written: {exc.strerror}") from exc
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _restore_candles(repository: Repository, manifest: Manifest, store: CandleStore) -> None:
    store.migrate()
    tables = {piece.table for piece in manifest.candles}
    if there := [table for table in tables if store.copies.count(table)]:
        raise Conflict(f"the candle store has rows in {', '.join(there)} already: name an empty database")
    for table in manifest.tables:
        if table.table not in ("schema_migrations", "ref_market"):  # which this version has made by itself
            store.copies.put(table.table, _rows(repository, table.piece))
    for table, months in groupby(manifest.candles, lambda piece: piece.table):
        for some in _together(list(months)):
            store.copies.put(table, pa.concat_tables([_rows(repository, piece.piece) for piece in some]))
    store.repair()
    _require_counts(manifest, store)


def _together(pieces: list[CandlePiece]) -> Iterator[list[CandlePiece]]:
    """Pieces of one insert: months of one instrument, because an insert may touch no more than a hundred."""
    for _, months in groupby(pieces, lambda piece: (piece.market_id, piece.symbol)):
        ordered = list(months)
        for first in range(0, len(ordered), _MONTHS_AT_ONCE):
            yield ordered[first : first + _MONTHS_AT_ONCE]


def _rows(repository: Repository, piece: str) -> pa.Table:
    return pq.read_table(io.BytesIO(repository.read(piece)))


def _require_counts(manifest: Manifest, store: CandleStore) -> None:
    wanted: Counter[str] = Counter()
    for piece in manifest.candles:
        wanted[piece.table] += piece.rows
    for table, rows in wanted.items():
        if (found := store.copies.count(table)) != rows:
            raise ServiceUnavailable(f"{table} has {found:,} of {rows:,} rows: begin the restore again")
