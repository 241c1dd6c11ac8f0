"""Build of the code that runs: its version and, in a checkout of git, its commit.

An instance tells its own in every answer; whoever meets an answer they do not understand compares.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

BUILD_HEADER = "X-Candleray-Build"
UNTOLD = "an older version, which does not say which,"

_ROOT = Path(__file__).resolve().parent.parent
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@lru_cache(maxsize=1)
def own_commit() -> str | None:
    """The commit that was checked out when this process first asked; None outside of a checkout."""
    return commit_of(_ROOT)


def own_build() -> str:
    """`0.1.0+4876f20a9104`, or `0.1.0` where there is no commit."""
    commit = own_commit()
    return version("candleray") + (f"+{commit[:12]}" if commit else "")


def difference(theirs: str | None) -> str | None:
    """A sentence about an instance of another build than this one; None where they are the same."""
    if theirs == own_build():
        return None
    return (
        f"the instance runs {theirs or UNTOLD} and this is {own_build()}: restart the instance with this code "
        "(`candleray down`, `candleray up --detach`), or use the client of its version"
    )


def commit_of(root: Path) -> str | None:
    """The commit of a checkout, read from git's own files: git need not be installed, nor own them."""
    try:
        folder = root / ".git"
        if folder.is_file():  # of a worktree: the path of its own folder in the repository
            folder = root / folder.read_text().partition("gitdir:")[2].strip()
        head = (folder / "HEAD").read_text().strip()
        commit = _resolved(folder, head.partition("ref:")[2].strip()) if head.startswith("ref:") else head
    except (OSError, ValueError):
        return None
    return commit if commit and _COMMIT.fullmatch(commit) else None


def _resolved(folder: Path, reference: str) -> str | None:
    shared = folder / "commondir"
    common = folder / shared.read_text().strip() if shared.is_file() else folder
    for place in (folder / reference, common / reference):
        if place.is_file():
            return place.read_text().strip()
    for line in (common / "packed-refs").read_text().splitlines():
        commit, _, name = line.partition(" ")
        if name == reference:
            return commit
    return None
