"""The backups of a folder: pieces named after their content, and a manifest for each backup.

    pieces/ab/ab12…           a file; its name is the SHA-256 of its bytes, so that `sha256sum` can check it
    backups/20261129T….json   a manifest, written last: a backup is there once its manifest is

Pieces are shared: what has not changed since an earlier backup is there already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from candleray.errors import InstanceError, NotFound, nearest
from cluster.backups.manifest import Manifest, read_manifest
from cluster.backups.storage import FolderStorage

MANIFESTS, PIECES = "backups", "pieces"


class Repository:
    def __init__(self, storage: FolderStorage) -> None:
        self.storage = storage
        self.written_bytes = 0
        """Bytes of the pieces that were not there before."""

    def put(self, content: bytes) -> str:
        """Keep a piece; its name."""
        name = hashlib.sha256(content).hexdigest()
        if self.storage.size(_place(name)) != len(content):
            self.storage.put(_place(name), content)
            self.written_bytes += len(content)
        return name

    def has(self, name: str, size: int) -> bool:
        return self.storage.size(_place(name)) == size

    def read(self, name: str) -> bytes:
        """
        Raises:
            InstanceError: the piece is missing or damaged.
        """
        content = self.storage.read(_place(name))
        if hashlib.sha256(content).hexdigest() != name:
            where = self.storage.where(_place(name))
            raise InstanceError(f"{where} is damaged: its {len(content)} bytes are not those that its name says")
        return content

    def commit(self, manifest: Manifest) -> None:
        """Make it a backup: from here on it is there, whatever happens."""
        self.storage.settle()
        self.storage.put(_manifest_place(manifest.backup), manifest.sealed())
        self.storage.settle()

    def ids(self) -> list[str]:
        """The backups, the oldest first, also those whose manifest is damaged."""
        return [PurePosixPath(name).stem for name in self.storage.names(MANIFESTS)]

    def manifest(self, backup: str) -> Manifest:
        """
        Raises:
            InstanceError: it is missing or damaged.
        """
        place = _manifest_place(backup)
        return read_manifest(self.storage.read(place), self.storage.where(place))

    def find(self, beginning: str | None) -> str:
        """The id that begins so; by default the newest one.

        Raises:
            NotFound: there is none, or more than one.
        """
        ids = self.ids()
        found = [one for one in ids if one.startswith(beginning)] if beginning else ids[-1:]
        if len(found) == 1:
            return found[0]
        if not ids:
            raise NotFound(f"{self.storage} holds no backup: `candleray backup create {self.storage}` makes one")
        if len(found) > 1:
            raise NotFound(f"{len(found)} backups begin with {beginning!r}: {', '.join(found[:5])}")
        raise NotFound(f"no backup {beginning!r} in {self.storage}; {nearest(str(beginning), ids)}")

    def former(self, instance: str) -> Manifest | None:
        """The newest whole manifest of that instance."""
        for backup in reversed(self.ids()):
            try:
                found = self.manifest(backup)
            except InstanceError:
                continue
            if found.instance == instance:
                return found
        return None

    def faults(self, manifest: Manifest) -> Iterator[str]:
        """Read every piece of a backup; what is wrong, by file."""
        for name in dict.fromkeys(manifest.pieces()):
            try:
                self.read(name)
            except InstanceError as error:
                yield error.message

    def forget(self, instance: str, keep: int) -> list[str]:
        """Remove all but the newest backups of an instance, and the pieces that no backup needs; the ids.

        Raises:
            InstanceError: a manifest is damaged: which pieces it needs, nobody can tell.
        """
        manifests = [self.manifest(backup) for backup in self.ids()]
        old = [one.backup for one in manifests if one.instance == instance][:-keep]
        needed = {piece for one in manifests if one.backup not in old for piece in one.pieces()}
        for backup in old:
            self.storage.remove(_manifest_place(backup))
        self.storage.settle()
        for name in self.storage.names(PIECES):
            if PurePosixPath(name).name not in needed:
                self.storage.remove(name)
        return old


def _place(name: str) -> str:
    return f"{PIECES}/{name[:2]}/{name}"


def _manifest_place(backup: str) -> str:
    return f"{MANIFESTS}/{backup}.json"
