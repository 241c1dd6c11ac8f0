"""Checks of the data folder: who may write and read it, what is missing, of which version it is, its backups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from candleray.build import difference, own_build
from candleray.databases.statements import migrations
from candleray.errors import InstanceError
from candleray.identity.local_secrets import BOT_TOKEN, KEY_FILE
from candleray.identity.vault import KeyRing
from candleray.private_files import read_private
from cluster.backups.last_backup import last_backup
from cluster.doctor.finding import Finding, Patient, fault, good, warning

OLD_BACKUP_DAYS = 2.0


def permissions(patient: Patient) -> Iterator[Finding]:
    path = patient.folder.path
    if not path.exists():
        above = next(place for place in path.parents if place.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield good("permissions", f"{path} can be made")
        else:
            yield fault(
                "permissions", f"{above} cannot be written by this account", "name a folder of yours by --data"
            )
        return
    owner = path.stat().st_uid
    if owner != os.geteuid():
        yield fault(
            "permissions",
            f"{path} belongs to user {owner}, this is user {os.geteuid()}",
            f"run it as its owner, or `chown -R {os.geteuid()} {path}`",
        )
    elif path.stat().st_mode & 0o066:
        yield warning("permissions", f"others may look into {path}", f"`chmod go-rw {path}`")
    elif not os.access(path, os.W_OK | os.X_OK):
        yield fault("permissions", f"{path} cannot be written by this account", f"`chmod u+rwx {path}`")
    else:
        yield good("permissions", f"{path} is this account's")


def parts(patient: Patient) -> Iterator[Finding]:
    """See whether all that was begun is there."""
    patient.folder.require_parts()
    yield good("parts", "all that the folder keeps is there")


def version(patient: Patient) -> Iterator[Finding]:
    known = {name: migrations(name)[-1].number for name in ("postgres", "clickhouse")}
    patient.folder.inventory.require_migrations(known)
    other = difference(patient.running.build) if patient.running else None
    if other:
        what, _, remedy = other.partition(": ")
        yield warning("version", what, remedy)
    else:
        yield good("version", own_build())


def secrets(patient: Patient) -> Iterator[Finding]:
    """Keys and tokens: there where they must be, readable by nobody else, well-formed."""
    identity, settings = patient.settings.identity, patient.settings
    given = {BOT_TOKEN: identity.bot_token, KEY_FILE: identity.key_encryption_keys}
    missing = [name for name, value in given.items() if value is None and settings.environment == "prod"]
    for name in missing:
        yield fault(
            "secrets",
            f"the environment prod needs identity.{name}",
            f"set CANDLERAY_IDENTITY__{name.upper()}",
        )
    for name, value in given.items():
        try:
            text = value.get_secret_value() if value else read_private(patient.folder.path / name)
            if text and name == KEY_FILE:
                KeyRing.parse(text)
        except InstanceError as error:
            what, _, remedy = error.message.rpartition(": ")
            yield fault("secrets", what or error.message, remedy if what else "restore it from a copy")
            missing.append(name)
    if not missing:
        yield good("secrets", "well-formed, and readable by this account alone")


def backups(patient: Patient) -> Iterator[Finding]:
    if not patient.folder.inventory.file.exists():
        return
    last = last_backup(patient.folder)
    if last is None:
        yield warning("backups", "there is none that this folder knows of", "`candleray backup create FOLDER`")
        return
    days = (datetime.now(UTC) - last.began_at).total_seconds() / 86_400
    said = f"the last one, {last.backup} in {last.place}, is {days:.1f} days old"
    if days > OLD_BACKUP_DAYS:
        yield warning("backups", said, f"`candleray backup create {last.place}`, and see why its timer did not")
    else:
        yield good("backups", said)
