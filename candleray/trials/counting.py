"""The verdict of a search beside the earlier searches of its user over the same candles.

A luck p says how often the best of n independent variants is so good by luck. Who has tried N others before on
these candles picks the best of n + N: of independent ones each reaches it with the chance q of one, so
p = 1 - (1 - q)^n, and for all of them p' = 1 - (1 - q)^(n + N) = 1 - (1 - p)^((n + N) / n) (Šidák 1967).
"""

from __future__ import annotations

import math

from candleray.backtests.verdict import EarlierSearches, Saying, Verdict


def counted(verdict: Verdict, earlier: EarlierSearches | None) -> Verdict:
    """Return the verdict with the earlier searches counted; unchanged where there are none, or it says nothing."""
    if earlier is None or verdict.says is None or verdict.luck_p is None or verdict.losing_splits is None:
        return verdict
    own = max(1.0, verdict.independent_variants or 1.0)
    luck_p = among(verdict.luck_p, own, earlier.independent_variants)
    changed = {
        "says": Saying.of(luck_p, verdict.losing_splits),
        "earlier": earlier,
        "luck_p_with_earlier": luck_p,
    }
    return verdict.model_copy(update=changed)


def among(luck_p: float, own: float, others: float) -> float:
    """Return the p of the best of `own` independent variants, held against so many others as well."""
    if luck_p >= 1:
        return 1.0
    return round(-math.expm1(math.log1p(-luck_p) * (own + others) / own), 6)
