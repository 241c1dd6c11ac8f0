"""Users who search ten grids over the same candles, and what each verdict says with those before it counted."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from candleray.backtests.verdict import EarlierSearches, Saying
from candleray.trials.counting import counted
from tests.bench.trust.families import FAMILIES
from tests.bench.trust.trials import Setting, answer_over, request_of
from tests.bench.trust.walks import noise

SEARCHES = tuple(one.name for one in FAMILIES.values() if one.timeframe == "15m" and one.kind == "normal")[:10]
"""Ten grids over a year of quarters of an hour."""


class User(NamedTuple):
    """The words of ten verdicts, one after the other, alone and with the earlier searches counted."""

    alone: tuple[Saying | None, ...]
    counted: tuple[Saying | None, ...]


def user_of(fee_pct: float, seed: int, number: int) -> tuple[User, float]:
    """Return a user's ten searches over one walk, each time in another order, and their CPU seconds."""
    began, draw = time.process_time(), np.random.default_rng([seed, number, 10])
    settings = [Setting(name, fee_pct) for name in draw.permutation(SEARCHES).tolist()]
    family = FAMILIES[SEARCHES[0]]
    walk = noise(draw, family.kind, family.timeframe, family.bars)
    alone, together, earlier = list[Saying | None](), list[Saying | None](), None
    for setting in settings:
        verdict = answer_over(walk, request_of(setting)).verdict
        assert verdict is not None
        alone.append(verdict.says)
        together.append(counted(verdict, earlier).says)
        earlier = EarlierSearches(
            searches=1 + (earlier.searches if earlier else 0),
            variants=verdict.variants + (earlier.variants if earlier else 0),
            independent_variants=(verdict.independent_variants or 0.0)
            + (earlier.independent_variants if earlier else 0.0),
        )
    return User(tuple(alone), tuple(together)), time.process_time() - began
