"""A search that is asked for histories of chance: a phase of its course, with a sweep as the others have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.backtests.phase import Phase
from candleray.backtests.request import BacktestRequest
from candleray.errors import InvalidInput
from candleray.jobs.checkpoint import Checkpoint
from candleray.search.in_process import rank_histories
from candleray.search.nulls.bests_of_histories import bests_of, ranking_of
from candleray.search.sweep import Sweep, newest_ranked
from candleray.search.variants import VariantGrid, request_hash, resolve
from candleray.settings import BacktestSettings
from candleray.trials.trial import grid_hash
from tests.support.api.in_process_api import random_walk
from tests.support.searches import bars_over, search_over

WALK = random_walk(3000)
DEFAULTS = BacktestSettings()
SEARCH: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-01T20:00:00Z", "end": "2025-01-03T00:00:00Z"},
    "indicators": [{"id": "sma", "params": {"window": {"values": [5, 10, 20]}}}],
}
LUCK = {"walks": 6, "seed": 4}


def resolved(**changes: Any) -> BacktestRequest:
    return resolve(BacktestRequest.model_validate({**SEARCH, **changes}), DEFAULTS)


def test_a_search_with_histories_of_chance_has_their_numbers_beside_its_own():
    plain, told = (search_over(WALK, resolved(**one), 200) for one in ({}, {"luck": LUCK}))
    assert plain.luck is None
    assert told.luck is not None
    assert (told.luck.best, told.luck.walks) == (told.top[0].total_return_pct, 6)
    assert [one.metrics for one in told.top] == [one.metrics for one in plain.top]
    assert told.luck.summary[0] in str(told)
    assert told.elapsed_s.luck > 0
    assert "luck" not in told.top[0].strategy


def test_a_sweep_over_histories_goes_on_from_its_checkpoint_to_the_same_answer():
    request = resolved(luck=LUCK)
    bars = bars_over(WALK, request, 200)
    whole = search_over(WALK, request, 200).luck
    assert whole is not None
    sweep = Sweep(Phase.LUCK, 6, 6)
    for first, last in ((4, 6), (0, 1)):
        sweep.add(first, last, rank_histories(bars, request, 200, first, last))
    kept = Checkpoint.from_bytes(Checkpoint("hash", "engine", (sweep,), {}).to_bytes()).sweep(Phase.LUCK)
    assert kept is not None
    (left,) = kept.left([])
    assert left == (1, 4)
    kept.add(*left, rank_histories(bars, request, 200, *left))
    assert tuple(bests_of(kept.ranking)) == whole.luck


def test_a_history_in_which_nothing_ranks_has_no_best():
    ranking = ranking_of(range(3, 6), [1.0, None, 5.0])
    assert bests_of(ranking.best(3)) == [1.0, None, 5.0]


def test_histories_are_no_variants_of_a_job_and_its_simulations_count_them():
    of_variants, of_histories = Sweep(Phase.STAGE_A, 3, 3), Sweep(Phase.LUCK, 6, 6)
    of_variants.add(0, 3, ranking_of(range(3), [1.0, 2.0, 3.0]))
    of_histories.add(0, 6, ranking_of(range(6), np.ones(6).tolist()))
    assert newest_ranked([of_variants, of_histories]) is of_variants
    plain, asked = VariantGrid(resolved()), VariantGrid(resolved(luck=LUCK))
    assert (plain.simulations, asked.simulations) == (3, 21)


def test_another_question_about_the_same_grid_is_another_request_and_the_same_trial():
    plain, asked = resolved(), resolved(luck=LUCK)
    assert "luck" not in plain.model_dump(mode="json")
    assert request_hash(plain) != request_hash(asked)
    assert grid_hash(plain) == grid_hash(asked)


def test_conditions_on_other_candles_have_no_histories_of_chance():
    signals = {"long_entry": {"above": [{"price": "close", "timeframe": "1h"}, 0]}}
    request = BacktestRequest.model_validate(
        {**{name: SEARCH[name] for name in ("instrument", "timeframe", "time_range")}, "signals": signals}
    )
    with pytest.raises(InvalidInput, match="its conditions read another timeframe"):
        VariantGrid(resolve(request.model_copy(update={"luck": resolved(luck=LUCK).luck}), DEFAULTS))
