"""A dump of Postgres by its own programs: one snapshot, taken while others read and write."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from candleray.databases.statements import named_statements
from candleray.errors import InstanceError, ServiceUnavailable
from cluster.machine.child_environment import BARE
from cluster.services.embedded_postgres import postgres_program

PIECE_BYTES = 16 * 2**20
"""Tables that only grow have the same pieces as before, but for the last one."""


class PostgresDump:
    """The database at a URL, whose password no list of processes shows."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        account, _, host = parts.netloc.rpartition("@")
        user = account.partition(":")[0]
        self.url = url
        self._shown = urlunsplit(parts._replace(netloc=f"{user}@{host}" if account else host))
        self._environment = dict(BARE)
        if parts.password:
            self._environment["PGPASSWORD"] = unquote(parts.password)

    def write(self, folder: Path) -> None:
        """Write the dump into a folder that is not there: a file for each table, and one of contents.

        Raises:
            ServiceUnavailable: the server does not answer, or is newer than our programs.
            InstanceError: the disk is full.
        """
        self._run("pg_dump", "-Fd", "--compress=none", "--no-owner", "--no-privileges", "-f", str(folder))

    def restore(self, folder: Path) -> None:
        """Restore all of a dump, or nothing of it.

        Raises:
            ServiceUnavailable: the server does not take it.
        """
        options = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
        self._run("pg_restore", *options, str(folder))

    def server_version(self) -> int:
        return int(self._asked("server_version_number")[0]) // 10_000

    def migration(self) -> int:
        """The newest migration that the database has seen; 0 for one that is empty."""
        return int(self._asked("newest_migration")[0]) if self.has_tables() else 0

    def has_tables(self) -> bool:
        return self._asked("count_own_tables")[0] != "0"

    def key_versions(self) -> tuple[str, ...]:
        """The key-encryption keys that its secrets are sealed by."""
        return tuple(self._asked("sealed_key_versions"))

    def _asked(self, statement: str) -> list[str]:
        sql = named_statements("postgres")[statement]
        return self._run("psql", "-X", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-c", sql).splitlines()

    def _run(self, name: str, *options: str) -> str:
        command = [str(postgres_program(name)), f"--dbname={self._shown}", *options]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip()[-500:] or f"exit code {done.returncode}"
            if "No space left" in said:
                raise InstanceError(f"{name} found the disk full: make room and begin again ({said})")
            raise ServiceUnavailable(f"{name} failed: {said}")
        return done.stdout


def pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
