"""Builds: the commit is read from git's own files, and a difference is told with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from candleray import __version__, build
from candleray.build import commit_of, difference, own_build

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def git(tmp_path: Path) -> Path:
    """The folder of a checkout of the branch main."""
    folder = tmp_path / ".git"
    (folder / "refs/heads").mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "refs/heads/main").write_text(f"{COMMIT}\n")
    return folder


def test_the_commit_is_the_branch_s(git: Path):
    assert commit_of(git.parent) == COMMIT


def test_the_commit_is_the_one_checked_out_without_a_branch(git: Path):
    (git / "HEAD").write_text(f"{OTHER}\n")
    assert commit_of(git.parent) == OTHER


def test_a_branch_may_be_among_the_packed_ones(git: Path):
    (git / "refs/heads/main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs\n{OTHER} refs/heads/other\n{COMMIT} refs/heads/main\n")
    assert commit_of(git.parent) == COMMIT


def test_a_worktree_has_its_own_head_and_shares_the_branches(git: Path):
    own = git / "worktrees/mine"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/mine\n")
    (own / "commondir").write_text("../..\n")
    (git / "refs/heads/mine").write_text(OTHER)
    elsewhere = git.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".git").write_text(f"gitdir: {own}\n")
    assert commit_of(elsewhere) == OTHER


@pytest.mark.parametrize("head", ["", "nonsense", "ref: refs/heads/none", "ref: ../../outside", "\0"])
def test_what_is_no_checkout_has_no_commit(git: Path, head: str):
    (git / "HEAD").write_text(head)
    assert commit_of(git.parent) is None
    assert commit_of(git.parent / "nowhere") is None


def test_without_a_commit_the_build_is_the_version_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "own_commit", lambda: None)
    assert own_build() == __version__
    assert difference(__version__) is None


def test_another_build_is_told_with_what_to_do():
    assert difference(own_build()) is None
    assert "0.0.9" in str(difference("0.0.9"))
    assert "restart the instance" in str(difference("0.0.9"))
    assert "older" in str(difference(None))
