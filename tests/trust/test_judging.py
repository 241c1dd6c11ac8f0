"""The verdict of drawn variants: luck is noise, a planted edge is found, what cannot be said is null."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candleray.backtests.verdict import Saying, TrackRecord, Verdict
from candleray.trust.gathering import Rows, gathered
from candleray.trust.judging import Judge, judged
from kernels.trust.blocks import UNIT, weighted
from kernels.trust.flips import TURNED_PAIRS
from tests.support.oracles import naive_trust as naive

BARS = 35_000
DAYS = 365.0


def noise(variants: int, seed: int, cost: float = 0.0) -> np.ndarray:
    """Rows that share some of their luck, and pay as often as they trade."""
    draw = np.random.default_rng(seed)
    shared = draw.standard_normal((1, 16)) * 0.5
    own = draw.standard_normal((variants, 16))
    trades = draw.uniform(0.2, 1.8, (variants, 1))
    return np.rint((0.02 * (shared + own) - cost * trades) / UNIT).astype(np.int32)


def judge_of(rows: np.ndarray, in_market: int = 9_000) -> Judge:
    indices = np.arange(len(rows))
    evidence = gathered(Rows(indices, rows, np.full(len(rows), in_market)), BARS, len(rows))
    return Judge(evidence, BARS, DAYS)


def record(row: np.ndarray, **changes) -> TrackRecord:
    fields = {"sharpe_daily": 0.1, "skewness": 0.0, "kurtosis": 3.0, "days": 365, "bars_in_market": 9_000}
    return TrackRecord(block_log_returns=tuple((row * UNIT).tolist()), **{**fields, **changes})


def says(rows: np.ndarray) -> list[Saying | None]:
    return judge_of(rows).verdict().says


def test_noise_is_seldom_called_an_edge():
    said = [says(noise(60, seed)) for seed in range(60)]
    assert said.count(Saying.EDGE) <= 3
    assert said.count(Saying.NOISE) >= 40


def test_stable_losses_are_noise_however_low_the_pbo():
    verdicts = [judge_of(noise(60, seed, cost=0.2)).verdict() for seed in range(10)]
    assert all(verdict.says is Saying.NOISE for verdict in verdicts)
    assert max(verdict.pbo for verdict in verdicts) < 0.01
    assert "PBO 0 %: costs decide it, not skill" in verdicts[0].text


def test_a_planted_edge_is_found():
    said = []
    for seed in range(20):
        rows = noise(60, seed)
        rows[7] += round(0.025 / UNIT)
        said.append(says(rows))
    assert said.count(Saying.EDGE) >= 14


def test_luck_p_is_that_of_plain_loops():
    rows = noise(12, 4)
    judge = judge_of(rows)
    scaled = weighted(rows, np.full(12, 9_000), BARS).tolist()
    bests = []
    for mask in TURNED_PAIRS.tolist():
        up = [block for block in range(16) if mask >> block & 1]
        bests += [naive.turned_best(scaled, up), naive.turned_best(scaled, sorted({*range(16)} - {*up}))]
    for place, row in enumerate(scaled):
        expected = (1 + sum(best >= sum(row) for best in bests)) / 2049
        assert judge.trust(record(rows[place])).luck_p == expected
    assert judge.verdict().luck_p == min(judge.trust(record(row)).luck_p for row in rows)


def test_copies_of_one_variant_count_as_one():
    rows = np.repeat(noise(1, 3), 500, 0)
    assert judge_of(rows).verdict().independent_variants < 2
    assert 25 < judge_of(noise(100, 3)).verdict().independent_variants <= 100


def test_of_few_variants_there_is_no_pbo():
    assert judge_of(noise(9, 1)).verdict().pbo is None
    assert judge_of(noise(10, 1)).verdict().pbo is not None
    alone = judge_of(noise(1, 1)).verdict()
    assert (alone.variants, alone.independent_variants) == (1, 1.0)


def test_sharpe_ratios_are_deflated_by_the_number_of_variants():
    judge = judge_of(noise(100, 3))
    verdict, (best, flat, short) = judged(
        judge,
        [
            record(row, **changes)
            for row, changes in zip(
                noise(3, 1),
                [{}, {"sharpe_daily": None, "skewness": None, "kurtosis": None}, {"days": 59}],
                strict=True,
            )
        ],
    )
    alone = judge_of(noise(1, 3)).trust(record(noise(1, 1)[0]))
    assert best.deflated_sharpe < alone.deflated_sharpe == pytest.approx(0.9711, abs=0.0005)
    assert (flat.deflated_sharpe, flat.days_to_show) == (None, None)
    assert short.deflated_sharpe is None
    assert verdict.best_sharpe == pytest.approx(0.1 * math.sqrt(365), abs=1e-4)
    assert best.days_to_show is None or best.days_to_show > 365


def test_a_variant_that_never_traded_has_no_luck_p():
    assert judge_of(noise(5, 1)).trust(record(noise(1, 1)[0], bars_in_market=0)).luck_p is None


@pytest.mark.parametrize(
    ("luck_p", "losing", "saying"),
    [
        (0.02, 0.25, Saying.EDGE),
        (0.021, 0.25, Saying.UNPROVEN),
        (0.02, 0.26, Saying.UNPROVEN),
        (0.20, 0.44, Saying.UNPROVEN),
        (0.21, 0.0, Saying.NOISE),
        (0.001, 0.45, Saying.NOISE),
    ],
)
def test_the_luck_test_and_the_losing_splits_decide(luck_p: float, losing: float, saying: Saying):
    assert Saying.of(luck_p, losing) is saying


def test_a_verdict_is_said_in_words():
    verdict = Verdict(
        says=Saying.EDGE, variants=1000, independent_variants=140, luck_p=0.0005, losing_splits=0.04, pbo=0.2,
        return_kept=0.62, best_sharpe=3.4, luck_sharpe=2.6, days=365, days_to_show=1200, benchmark_pct=-4.24,
    )  # fmt: skip
    assert verdict.text == (
        "Likely an edge. Chosen on half of the range, the best variant lost money on the other half in 4 % of "
        "12,870 ways to halve it. Luck alone gives a grid of this kind its best result in fewer than 1 of 100 "
        "histories. 1,000 variants count as about 140. Best Sharpe 3.4; luck alone reaches 2.6: 1,200 days of "
        "record at this Sharpe would prove it, 365 are there. It kept 62 % of its return. So it was not luck on "
        "these data; that does not say that it goes on. Buying and holding returned -4.2 %."
    )
    assert verdict.line == (
        "verdict: likely an edge; winners of half the range lost on the other half in 4 %, luck p 0.00, "
        "1,000 variants count as about 140"
    )


def test_a_verdict_that_cannot_be_given_says_why():
    verdict = Verdict(says=None, reason="319 bars are too few")
    assert verdict.text == "No verdict: 319 bars are too few."
    assert verdict.line == "verdict: none, 319 bars are too few"
