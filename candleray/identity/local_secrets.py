"""The secrets of an instance that has none in its settings: made once, kept in private files of its data folder.

Only outside `prod`: there they come from the environment, or nothing starts.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from candleray.errors import InstanceError
from candleray.identity.vault import KeyRing
from candleray.private_files import read_private, write_private
from candleray.settings import Settings

BOT_TOKEN = "bot_token"  # noqa: S105 - a file's name
KEY_FILE = "key_encryption_keys"


def with_local_secrets(settings: Settings) -> Settings:
    """The settings with a bot token; the key-encryption keys stay in their file, which may grow while we run.

    Telegram knows nothing of a token that is made here: with that, no messages are sent unless they are asked for.

    Raises:
        InstanceError: in `prod`, where the environment names none.
    """
    identity = settings.identity
    bot_token = identity.bot_token or SecretStr(_local(settings, BOT_TOKEN, "bot_token", new_bot_token))
    key_ring(settings)
    telegram = settings.telegram
    if telegram.enabled is None:
        telegram = telegram.model_copy(update={"enabled": identity.bot_token is not None})
    identity = identity.model_copy(update={"bot_token": bot_token})
    return settings.model_copy(update={"identity": identity, "telegram": telegram})


def key_ring(settings: Settings) -> KeyRing:
    """The key-encryption keys: of the settings, else of the data folder's file as it is now.

    Raises:
        InstanceError: they are not well-formed, or `prod` names none.
    """
    given = settings.identity.key_encryption_keys
    if given:
        return KeyRing.parse(given.get_secret_value())
    return KeyRing.parse(_local(settings, KEY_FILE, "key_encryption_keys", new_key_encryption_key))


def add_key(settings: Settings) -> KeyRing:
    """The ring of the data folder with a new current key; the older ones stay until nothing needs them.

    Raises:
        InstanceError: the keys are in the settings, where only a person can change them.
    """
    if settings.identity.key_encryption_keys:
        raise InstanceError("the key-encryption keys are in the settings: put a new one before the others there")
    ring, path = key_ring(settings), settings.data_path / KEY_FILE
    version = str(1 + max((int(known) for known in ring.keys if known.isdigit()), default=0))
    write_private(path, f"{new_key_encryption_key(version)},{read_private(path)}")
    return key_ring(settings)


def new_bot_token() -> str:
    """Shaped as Telegram's are; Telegram knows nothing of it."""
    return f"{secrets.randbelow(9 * 10**9) + 10**9}:{secrets.token_urlsafe(26)}"


def new_key_encryption_key(version: str = "1") -> str:
    return f"{version}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _local(settings: Settings, name: str, setting: str, make: Callable[[], str]) -> str:
    if settings.environment == "prod":
        variable = f"CANDLERAY_IDENTITY__{setting.upper()}"
        raise InstanceError(f"the environment prod needs the setting identity.{setting}: set {variable}")
    path = settings.data_path / name
    return read_private(path) or _made(path, make())


def _made(path: Path, secret: str) -> str:
    """Make the file, or take the one that somebody made first: it appears whole or not at all.

    Raises:
        InstanceError: the file is there and empty; a secret that is not kept would seal what nobody can open.
    """
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_private(fresh, secret)
    with suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
    made = read_private(path)
    if made is None:
        raise InstanceError(f"{path} is empty: restore it, or remove it so that a new one is made")
    return made
