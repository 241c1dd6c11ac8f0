"""The token that a person's programs send: from the environment, else from a private file for each API.

Written by `candleray login` into `$XDG_CONFIG_HOME/candleray/tokens` (`~/.config/…`), readable by nobody else.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from candleray.private_files import read_private, write_private

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
