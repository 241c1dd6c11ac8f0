"""The token that a person's programs send: from the environment, else from a private file for each API.

Written by `candleray login` into `$XDG_CONFIG_HOME/candleray/tokens` (`~/.config/…`), readable by nobody else.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from candleray.errors import invalid
from candleray.private_files import expanded, read_private, write_private

TOKEN_VARIABLE = "CANDLERAY_TOKEN"  # noqa: S105 - a variable's name
MAX_TOKEN = 4096
"""Longer than any token of a gateway, too; a header may not be much longer."""


def token_for(api_url: str) -> str | None:
    """
    Raises:
        InstanceError: the file can be read by others.
        InvalidInput: what stands there is no token.
    """
    given = checked_token(os.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE)
    if given:
        return given
    path = token_file(api_url)
    return checked_token(read_private(path), str(path))


def checked_token(text: str | None, origin: str) -> str | None:
    """The token without the space around it, such as the line's end of a file; None where there is none.

    Raises:
        InvalidInput: no header can carry it; nothing of it is quoted.
    """
    token = (text or "").strip().strip("\ufeff\u200b")
    if len(token) > MAX_TOKEN or not all("!" <= character <= "~" for character in token):
        rule = f"a token is one word of at most {MAX_TOKEN:,} visible ASCII characters"
        raise invalid(
            origin, "bad_token", f"what {origin} holds is no token: {rule}, such as crt_…; copy it again"
        )
    return token or None


def keep_token(api_url: str, token: str) -> Path:
    path = token_file(api_url)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, token)
    return path


def forget_token(api_url: str) -> None:
    token_file(api_url).unlink(missing_ok=True)


def token_file(api_url: str) -> Path:
    home = expanded(Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config"))
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", api_url.partition("://")[2])[:64]
    return home / "candleray" / "tokens" / f"{readable}-{hashlib.sha256(api_url.encode()).hexdigest()[:8]}"
