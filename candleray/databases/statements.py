"""SQL files: the named statements of a database, and its numbered migrations.

In `<database>.sql` and `<database>.<topic>.sql` a statement begins with `-- name: <name>`. In
`<database>_<number>_<topic>.sql` a statement ends at a semicolon that ends its line, outside of `$$ … $$`. Comment
lines belong to no statement.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from candleray.errors import InstanceError

SQL = Path(__file__).parent / "sql"

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_STATEMENT = re.compile(r"(?:\$\$.*?\$\$|.)+?(?:;\s*$|\Z)", re.MULTILINE | re.DOTALL)
_MIGRATION = re.compile(r"_(\d{4})_(\w+)$")


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    statements: tuple[str, ...]
    checksum: str
    """SHA-256 of the statements without their comments: a better comment is not another migration."""


@cache
def named_statements(database: str) -> Mapping[str, str]:
    """The statements of a database by their names.

    Raises:
        ValueError: two have one name.
    """
    return _named(file.read_text() for file in [SQL / f"{database}.sql", *sorted(SQL.glob(f"{database}.*.sql"))])


def _named(texts: Iterable[str]) -> dict[str, str]:
    parts = [part for text in texts for part in _NAME.split(text)[1:]]
    found: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in found:
            raise ValueError(f"two statements are named {name}")
        found[name] = _without_comments(body).removesuffix(";")
    return found


@cache
def migrations(database: str) -> tuple[Migration, ...]:
    """The migrations of a database, ordered by their numbers.

    Raises:
        ValueError: two have one number, so that one of them would never be applied.
    """
    return in_order(_read_migration(path) for path in SQL.glob(f"{database}_[0-9]*.sql"))


def in_order(found: Iterable[Migration]) -> tuple[Migration, ...]:
    """Order migrations by their numbers; raises ValueError where two have the same."""
    ordered = tuple(sorted(found, key=lambda migration: migration.number))
    for one, other in pairwise(ordered):
        if one.number == other.number:
            raise ValueError(f"migrations {one.name} and {other.name} have one number: {one.number}")
    return ordered


def pending(migrations: Iterable[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """The migrations that are not in `applied` (checksum by number).

    Raises:
        InstanceError: an applied migration has other statements now, or this version does not know it.
    """
    known = {migration.number: migration for migration in migrations}
    for number, checksum in sorted(applied.items()):
        if number not in known:
            raise InstanceError(
                f"the database has migration {number}, unknown here: a newer version has written it"
            )
        if known[number].checksum != checksum:
            raise InstanceError(
                f"migration {number} ({known[number].name}) was applied with other content (checksum "
                f"{checksum[:12]} in the database, {known[number].checksum[:12]} here); "
                "a change belongs into a new migration"
            )
    return [migration for number, migration in sorted(known.items()) if number not in applied]


def _read_migration(path: Path) -> Migration:
    match = _MIGRATION.search(path.stem)
    if match is None:
        raise ValueError(f"{path.name} is not named <database>_<four digits>_<topic>.sql")
    statements = tuple(
        statement
        for part in _STATEMENT.findall(path.read_text())
        if (statement := _without_comments(part).removesuffix(";"))
    )
    checksum = hashlib.sha256("\n;\n".join(statements).encode()).hexdigest()
    return Migration(int(match[1]), match[2], statements, checksum)


def _without_comments(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--")).strip()
