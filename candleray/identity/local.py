"""The secrets of an instance that has none in its settings: made once, kept in private files of its data folder.

Only outside production: there they come from the environment, or nothing starts.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from candleray.credentials import read_private
from candleray.errors import InstanceError
from candleray.settings import Settings

BOT_TOKEN = "bot_token"  # noqa: S105 - a file's name
KEY_FILE = "key_encryption_keys"


def with_local_secrets(settings: Settings) -> Settings:
    """The settings with every secret of `identity`.

    Raises:
        InstanceError: in production, where the environment names none.
    """
    found = {
        "bot_token": settings.identity.bot_token or _local(settings, BOT_TOKEN, "bot_token", new_bot_token),
        "key_encryption_keys": settings.identity.key_encryption_keys
        or _local(settings, KEY_FILE, "key_encryption_keys", new_key_encryption_key),
    }
    return settings.model_copy(update={"identity": settings.identity.model_copy(update=found)})


def new_bot_token() -> str:
    """Shaped as Telegram's are; Telegram knows nothing of it."""
    return f"{secrets.randbelow(9 * 10**9) + 10**9}:{secrets.token_urlsafe(26)}"


def new_key_encryption_key(version: str = "1") -> str:
    return f"{version}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _local(settings: Settings, name: str, setting: str, make: Callable[[], str]) -> SecretStr:
    if settings.environment == "prod":
        variable = f"CANDLERAY_IDENTITY__{setting.upper()}"
        raise InstanceError(f"production needs the setting identity.{setting}: set {variable} in the environment")
    path = settings.data_path / name
    return SecretStr(read_private(path) or _made(path, make()))


def _made(path: Path, secret: str) -> str:
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret)
    return read_private(path) or secret
