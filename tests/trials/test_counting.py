"""Earlier searches in a verdict: as if everything had been searched at once."""

from __future__ import annotations

import numpy as np
import pytest

from candleray.backtests.verdict import EarlierSearches, Saying, Verdict
from candleray.trials.counting import among, counted
from candleray.trust.gathering import Rows, gathered
from candleray.trust.judging import Judge
from kernels.trust.blocks import UNIT

BARS, DAYS = 35_000, 365.0
EDGE = Verdict(says=Saying.EDGE, luck_p=0.004, losing_splits=0.1, independent_variants=20.0, variants=300)


def earlier(independent: float, searches: int = 1, variants: int = 500) -> EarlierSearches:
    return EarlierSearches(searches=searches, variants=variants, independent_variants=independent)


def test_a_p_is_held_against_as_many_more_as_were_tried():
    assert among(0.02, 10, 0) == 0.02
    assert among(0.02, 1, 49) == pytest.approx(1 - 0.98**50, abs=1e-6)
    assert among(0.02, 10, 10) == pytest.approx(1 - 0.98**2, abs=1e-6)
    assert among(1.0, 1, 5) == 1.0
    assert among(1 / 2049, 140, 1e12) == 1.0


@pytest.mark.parametrize(
    ("others", "says"), [(20.0, Saying.EDGE), (100.0, Saying.UNPROVEN), (2_000.0, Saying.NOISE)]
)
def test_the_more_was_tried_before_the_less_the_same_result_says(others: float, says: Saying):
    verdict = counted(EDGE, earlier(others))
    assert verdict.says is says
    assert verdict.luck_p == EDGE.luck_p, "this search's own stays"
    assert verdict.earlier == earlier(others)
    assert verdict.luck_p_with_earlier == among(0.004, 20, others)


def test_without_earlier_ones_nothing_changes_not_even_its_bytes():
    assert counted(EDGE, None) is EDGE
    assert "earlier" not in EDGE.model_dump_json()
    none = Verdict(says=None, reason="no variant traded")
    assert counted(none, earlier(5)) is none


def test_words_tell_what_was_counted():
    verdict = counted(EDGE, earlier(200, searches=12, variants=40_000))
    assert "12 other searches over these candles before, of 40,000 variants" in verdict.text
    assert "in 4 of 100 histories, and that is what counts" in verdict.text
    assert "luck p 0.00 (0.04 with 12 earlier searches)" in verdict.line
    assert "1 other search over these candles before, of 1 variant:" in counted(EDGE, earlier(1, 1, 1)).text


def test_two_searches_say_what_one_over_both_grids_says():
    """Noise of two grids: the better one's p, with the other counted, is that of the grid of both."""
    apart, together = [], []
    for seed in range(60):
        rows = np.random.default_rng(seed).standard_normal((2, 40, 16))
        rows = np.rint(0.02 * rows / UNIT).astype(np.int32)
        verdicts = [_judge(one).verdict() for one in rows]
        whole = _judge(rows.reshape(80, 16)).verdict()
        better = min((0, 1), key=lambda one: verdicts[one].luck_p)
        others = verdicts[1 - better].independent_variants
        apart.append(counted(verdicts[better], earlier(others)).luck_p_with_earlier)
        together.append(whole.luck_p)
    assert np.mean(apart) == pytest.approx(np.mean(together), abs=0.02)
    assert np.corrcoef(apart, together)[0, 1] > 0.99


def _judge(rows: np.ndarray) -> Judge:
    found = gathered(Rows(np.arange(len(rows)), rows, np.full(len(rows), 9_000)), BARS, len(rows))
    return Judge(found, BARS, DAYS)
