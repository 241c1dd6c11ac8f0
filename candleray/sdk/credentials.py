"""The token that a person's programs send: from the environment, else from a private file for each API.

Written by `candleray login` into `$XDG_CONFIG_HOME/candleray/tokens` (`~/.config/…`), readable by nobody else.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from candleray.errors import InstanceError

TOKEN_VARIABLE = "CANDLERAY_TOKEN"  # noqa: S105 - a variable's name


def token_for(api_url: str) -> str | None:
    """
    Raises:
        InstanceError: the file can be read by others.
    """
    return os.environ.get(TOKEN_VARIABLE) or read_private(token_file(api_url))


def keep_token(api_url: str, token: str) -> Path:
    path = token_file(api_url)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, token)
    return path


def forget_token(api_url: str) -> None:
    token_file(api_url).unlink(missing_ok=True)


def token_file(api_url: str) -> Path:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", api_url.partition("://")[2])[:64]
    return home / "candleray" / "tokens" / f"{readable}-{hashlib.sha256(api_url.encode()).hexdigest()[:8]}"


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner may read."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def read_private(path: Path) -> str | None:
    """What the file says; None where there is none.

    Raises:
        InstanceError: others may read it, or we may not.
    """
    try:
        with path.open() as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise InstanceError(f"{path} holds a secret and can be read by others: chmod 600 it")
            return file.read().strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise InstanceError(f"{path} cannot be read: {exc.strerror}") from exc
