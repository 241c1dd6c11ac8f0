"""`candleray keys` and `candleray audit`: for who runs an instance: at its Postgres, not through its API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from candleray.databases.postgres import Postgres
    from candleray.settings import Settings

KEYS = """Look after the key-encryption keys.

Example: candleray keys rotate
"""
AUDIT = """Look after the audit trail.

Example: candleray audit verify
"""

DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder; by default the settings' data_dir.")
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

keys = typer.Typer(no_args_is_help=True, help=KEYS)
audit = typer.Typer(no_args_is_help=True, help=AUDIT)

T = TypeVar("T")


@keys.callback()
def _keys() -> None:
    """Look after the key-encryption keys."""


@audit.callback()
def _audit() -> None:
    """Look after the audit trail."""


@keys.command("rotate")
def rotate(as_json: AsJson = False, data: DataDir = None) -> None:
    """Make a new key-encryption key and wrap every stored secret by it, while the instance runs.

    Where the settings hold the keys, put the new one before the others, restart the API, then run this.

    Example: candleray keys rotate
    """
    from candleray.identity.key_rotation import rotate_keys
    from candleray.identity.local_secrets import add_key
    from candleray.identity.vault import KeyRing
    from candleray.terminal.console import output, print_json
    from candleray.terminal.exit_codes import ExitCode

    settings = _settings(data)
    given = settings.identity.key_encryption_keys
    ring = KeyRing.parse(given.get_secret_value()) if given else add_key(settings)
    done = asyncio.run(_at_postgres(settings, lambda postgres: rotate_keys(postgres, ring)))
    if as_json:
        unopened = {"exchange_keys": list(done.unopened_keys), "second_factors": list(done.unopened_factors)}
        print_json({"key": ring.current, "rewrapped": done.rewrapped, "unopened": unopened})
        if done.unopened:
            raise typer.Exit(ExitCode.FAILED)
        return
    output().print(f"{done.rewrapped} records wrapped by key {ring.current!r}")
    if done.unopened:
        for key_id in done.unopened_keys:
            output().print(f"exchange key {key_id} does not open: it is left as it was")
        for user_id in done.unopened_factors:
            output().print(f"the second factor of user {user_id} does not open: it is left as it was")
        raise typer.Exit(ExitCode.FAILED)
    output().print("none is left on another")


@audit.command("verify")
def verify(as_json: AsJson = False, data: DataDir = None) -> None:
    """Check that every event follows from the one before it, unchanged.

    Example: candleray audit verify
    """
    from candleray.identity.audit_store import verify_audit
    from candleray.terminal.console import output, print_json

    events = asyncio.run(_at_postgres(_settings(data), verify_audit))
    if as_json:
        print_json({"events": events})
        return
    output().print(f"{events} events, each follows from the one before")


def _settings(data: Path | None) -> Settings:
    from candleray.settings import get_settings

    settings = get_settings()
    return settings.model_copy(update={"data_dir": data}) if data else settings


async def _at_postgres(settings: Settings, work: Callable[[Postgres], Awaitable[T]]) -> T:
    from candleray.databases.postgres import Postgres
    from cluster.machine.data_folder import DataFolder
    from cluster.services.embedded_postgres import EmbeddedPostgres

    given = settings.services.postgres_url
    url = given.get_secret_value() if given else EmbeddedPostgres(DataFolder(settings.data_path)).url
    postgres = await Postgres.open(url, max_connections=2)
    try:
        return await work(postgres)
    finally:
        await postgres.close()
