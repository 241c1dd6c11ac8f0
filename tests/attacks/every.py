"""Every attack there is, as data: the tests and the bench send the same."""

from __future__ import annotations

from tests.attacks import bodies, codes, ids, logins, tokens
from tests.attacks.target import Attack

ATTACKS: tuple[Attack, ...] = (
    *logins.ATTACKS,
    *codes.ATTACKS,
    *tokens.ATTACKS,
    *ids.ATTACKS,
    *bodies.ATTACKS,
)
