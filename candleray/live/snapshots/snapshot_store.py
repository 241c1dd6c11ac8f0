"""Snapshots of the runs of instruments in Postgres."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from candleray.databases.postgres import Postgres, Transaction
from candleray.live.snapshots.packing import BrokenSnapshot, Tree, pack, unpack
from candleray.live.snapshots.sources import code_name
from candleray.logs import get_logger

log = get_logger("runners")


@dataclass
class FoundSnapshots:
    trees: dict[str, Tree] = field(default_factory=dict)
    """The contents, by the keys of instruments."""
    refused: int = 0
    """The number of those that are broken, or made by another version."""


def packed(instrument_key: str, tree: Tree) -> bytes:
    return pack(tree, _name(instrument_key))


def unpacked(instrument_key: str, content: bytes) -> Tree:
    """Read what was `packed` for that instrument.

    Raises:
        BrokenSnapshot: this is something else.
    """
    return unpack(content, _name(instrument_key))


async def keep_snapshots(transaction: Transaction, contents: Mapping[str, bytes]) -> None:
    """Keep what was `packed`, by the keys of instruments, in place of what there was."""
    for key, content in contents.items():
        await transaction.fetch("keep_snapshot", key, code_name(), content)


async def read_snapshots(postgres: Postgres, instrument_keys: Collection[str]) -> FoundSnapshots:
    """Read what there is of instruments; of what is refused the log tells the reason."""
    found = FoundSnapshots()
    for row in await postgres.fetch("snapshots", list(instrument_keys)):
        key, reason = row["instrument_key"], None
        try:
            if row["code"] != code_name():
                reason = "another version has made it"
            else:
                found.trees[key] = unpacked(key, row["content"])
        except BrokenSnapshot as error:
            reason = str(error)
        if reason:
            found.refused += 1
            log.warning("snapshot_refused", instrument=key, reason=reason)
    return found


def _name(instrument_key: str) -> str:
    return f"{code_name()} {instrument_key}"
