"""The calibration's walks, by the product's own search: luck that PBO calls stable, an edge, and broken bounds."""

from __future__ import annotations

import numpy as np

from candleray.backtests.verdict import Saying
from tests.bench.trust.bounds import Table, at_least, at_most, near
from tests.bench.trust.trials import Setting, trial_of, walk_of
from tests.bench.trust.walks import WARMUP, bar_volatility, with_edge

SEED = 2026


def said(setting: Setting, walks: int) -> list[Saying | None]:
    return [trial_of(setting, SEED, number)[0].says for number in range(walks)]


def test_luck_that_pbo_calls_stable_is_noise():
    trials = [trial_of(Setting("SMA × RSI", 0.1), SEED, number)[0] for number in range(3)]
    assert [trial.says for trial in trials] == [Saying.NOISE] * 3
    assert max(trial.pbo for trial in trials) < 0.01


def test_an_edge_is_found_and_one_that_the_fee_eats_is_noise():
    assert said(Setting("SMA × RSI", 0.0, 8.0), 2) == [Saying.EDGE] * 2
    assert said(Setting("SMA × RSI", 0.1, 4.0), 2) == [Saying.NOISE] * 2


def test_variants_of_a_shortlist_have_no_part_of_the_verdict():
    trial, _ = trial_of(Setting("small take-profits", 0.0, preselect=5), SEED, 0)
    assert (trial.judged, trial.about_all, trial.sure, trial.sure_of_all) == (0, False, False, False)


def test_a_walk_is_told_by_its_seed_and_number():
    one, other = Setting("SMA × RSI", 0.0), Setting("SMA × RSI", 0.1)
    walk = walk_of(one, SEED, 1).values
    assert np.array_equal(walk, walk_of(other, SEED, 1).values)
    assert not np.array_equal(walk, walk_of(one, SEED, 2).values)
    assert not np.array_equal(walk, walk_of(one, SEED + 1, 1).values)


def test_an_edge_is_put_in_after_signals_alone():
    returns = np.random.default_rng(1).standard_normal(4000 + WARMUP) * bar_volatility("15m")
    more = with_edge(returns, 1e-6) - returns
    assert set(np.round(more * 1e6, 6)) == {0.0, 1.0}
    assert 0.05 < (more > 0).mean() < 0.5


def test_what_is_beyond_its_bound_is_marked_and_named():
    row = ["noise", at_most(0.06, 0.05), at_least(0.9, 0.85), near(0.54, 0.01, 0.5, 0.03)]
    table = Table("alarms", ("family", "edge", "noise", "PBO"), [row])
    assert table.broken == ["alarms: noise, edge: 6 %", "alarms: noise, PBO: 0.540 ± 0.020"]
    assert "| noise | **6 %** | 90 % | **0.540 ± 0.020** |" in str(table)
