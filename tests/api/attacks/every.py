"""Every attack there is, as data: the tests and the bench send the same."""

from __future__ import annotations

from tests.api.attacks import bodies, codes, ids, logins, tokens
from tests.api.attacks.target import Attack

ATTACKS: tuple[Attack, ...] = (
    *logins.ATTACKS,
    *codes.ATTACKS,
    *tokens.ATTACKS,
    *ids.ATTACKS,
    *bodies.ATTACKS,
)
