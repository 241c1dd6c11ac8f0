"""The answers that this user's commands were last given, so that a printed result can be taken up.

They lie in `$XDG_STATE_HOME/candleray/answers` (`~/.local/state/…`), readable by nobody else; the API keeps
none of a synchronous search. Their number and their bytes are bounded. One that is damaged is passed over.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from candleray.errors import CandlerayError, NotFound, first_line
from candleray.private_files import expanded, read_private, write_private
from candleray.terminal.console import notes
from candleray.terminal.tables import second_text

MOST_ANSWERS = 20
MOST_BYTES = 64 * 1024 * 1024
SUFFIX = ".answer"


@dataclass(frozen=True)
class KeptAnswer:
    """An answer, and the command and the API that it came by."""

    command: str
    api_url: str
    kept_at: datetime
    content: Mapping[str, Any]

    def __str__(self) -> str:
        return f"the answer to `candleray {self.command}` of {second_text(self.kept_at)} at {self.api_url}"


def answers_folder() -> Path:
    home = expanded(Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state"))
    return home / "candleray" / "answers"


def keep_answer(answer: bytes, command: str, api_url: str) -> None:
    """Keep an answer; where that cannot be, say so: the command has done its work all the same."""
    if len(answer) > MOST_BYTES:
        notes().print(
            f"the answer has {len(answer):,} bytes, more than the {MOST_BYTES:,} that are kept for --last"
        )
        return
    header = {"command": command, "api_url": api_url, "kept_at": datetime.now(UTC).isoformat()}
    try:
        folder = answers_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        write_private(folder / _next_name(folder), f"{json.dumps(header)}\n{answer.decode()}")
        _delete_oldest(folder)
    except (OSError, UnicodeDecodeError, CandlerayError) as error:
        notes().print(f"the answer is not kept for --last: {first_line(error)}")


def _next_name(folder: Path) -> str:
    """A name behind all others, also where the clock went back."""
    newest = next((path.stem for path in _newest_first(folder) if path.stem.isdecimal()), "0")
    return f"{max(time.time_ns(), int(newest) + 1):020d}{SUFFIX}"


def last_answer(back: int = 1) -> KeptAnswer:
    """The newest answer, or the one that is so many back, of those that can be read.

    Raises:
        NotFound: so many are not kept.
    """
    found = 0
    for path in _newest_first(answers_folder()):
        kept = _read(path)
        if kept is None:
            notes().print(f"{path} is damaged and passed over")
            continue
        found += 1
        if found == back:
            return kept
    kept_here = f"{found} are kept" if found else "none is kept"
    raise NotFound(
        f"there is no answer {back} back: {kept_here} in {answers_folder()}; "
        "`candleray backtest` and `candleray job watch` keep theirs"
    )


def _read(path: Path) -> KeptAnswer | None:
    try:
        header, _, answer = (read_private(path) or "").partition("\n")
        about, content = json.loads(header), json.loads(answer)
        kept_at = datetime.fromisoformat(about["kept_at"])
        is_answer = isinstance(content.get("top"), list)
        return KeptAnswer(str(about["command"]), str(about["api_url"]), kept_at, content) if is_answer else None
    except (CandlerayError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _newest_first(folder: Path) -> list[Path]:
    try:
        return sorted((path for path in folder.iterdir() if path.suffix == SUFFIX), reverse=True)
    except OSError:
        return []


def _delete_oldest(folder: Path) -> None:
    """Remove the oldest beyond the limits, and what writers that were killed have left."""
    for path in _too_many(folder):
        path.unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.suffix != SUFFIX and time.time() - path.stat().st_mtime > 3600:
            with suppress(OSError):
                path.unlink()


def _too_many(folder: Path) -> Iterator[Path]:
    size_bytes = 0
    for place, path in enumerate(_newest_first(folder)):
        size_bytes += path.stat().st_size
        if place >= MOST_ANSWERS or size_bytes > MOST_BYTES:
            yield path
