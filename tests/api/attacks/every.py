"""Every attack there is, as data: the tests and the bench send the same.

A topic is a module of this folder with `ATTACKS`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tests.api.attacks.target import Attack

NO_TOPICS = ("every", "target", "test_attacks")
TOPICS = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem not in NO_TOPICS)

ATTACKS: tuple[Attack, ...] = tuple(
    attack for topic in TOPICS for attack in import_module(f"tests.api.attacks.{topic}").ATTACKS
)
