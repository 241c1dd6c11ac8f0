"""Files that only their owner may read: tokens and secrets of this machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from candleray.errors import InstanceError


def expanded(path: Path) -> Path:
    """The whole path, `~` being the home folder.

    Raises:
        InstanceError: there is none.
    """
    try:
        return path.expanduser().resolve()
    except RuntimeError:
        raise InstanceError(
            f"{path} is below the home folder, and this account has none: set HOME, or name a whole path "
            "(CANDLERAY_DATA_DIR or --data for data, XDG_CONFIG_HOME for tokens)"
        ) from None


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner may read."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        fresh.unlink()
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave an empty file in place of a key
        fresh.replace(path)
    except OSError:
        with suppress(OSError):  # half of one, on a full disk
            fresh.unlink()
        raise


def read_private(path: Path) -> str | None:
    """The file's text; None where there is no file, or nothing in it.

    Raises:
        InstanceError: others may read it, or we may not, or it is no text.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise InstanceError(f"{path} holds a secret and can be read by others: chmod 600 it")
            return file.read().decode().strip() or None
    except UnicodeError:
        # Not as its cause: that holds the secret.
        raise InstanceError(
            f"{path} is damaged, or was written by another program: it is not UTF-8 text; restore it from a copy"
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise InstanceError(f"{path} cannot be read: {exc.strerror}") from exc
