"""A search cut off anywhere and taken up from its checkpoint gives the same ranking to the bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from candleray.backtests.phase import Phase
from candleray.jobs.checkpoint import Checkpoint
from candleray.search.rankings import Ranking
from candleray.search.sweep import Sweep, newest_ranked
from candleray.trust.gathering import Rows, gathered

TOTAL = 500


def answers(k: int) -> list[tuple[int, int, Ranking]]:
    """Ranges of ten variants whose returns repeat, so that ties are decided."""
    returns = np.round(np.random.default_rng(3).normal(size=TOTAL), 1)
    found = []
    for first in range(0, TOTAL, 10):
        index = np.arange(first, first + 10)
        pruned = Ranking.empty().pruned.copy()
        pruned[0] = first % 3
        whole = Ranking(index, returns[first : first + 10], np.zeros(10, np.int64), pruned)
        found.append((first, first + 10, whole.best(k)))
    return found


def same(one: Ranking, other: Ranking) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


@given(st.permutations(range(50)), st.integers(0, 50), st.sampled_from([1, 7, 100, 9000]))
def test_the_order_of_answers_and_a_stop_between_them_change_nothing(order, stopped_after, k):
    parts = answers(k)
    undisturbed = Sweep(Phase.STAGE_A, TOTAL, k)
    for part in parts:
        undisturbed.add(*part)
    sweep = Sweep(Phase.STAGE_A, TOTAL, k)
    for number in order[:stopped_after]:
        sweep.add(*parts[number])
    kept = Checkpoint.from_bytes(Checkpoint("hash", "engine", (sweep,), {Phase.PLANES: 0.5}).to_bytes())
    taken_up = kept.sweep(Phase.STAGE_A)
    assert taken_up is not None
    assert taken_up.done == stopped_after * 10
    left = {first for first, _ in taken_up.covered.gaps(TOTAL)}
    assert not stopped_after or left <= {part[0] for part in parts}
    for number in order[stopped_after:]:
        taken_up.add(*parts[number])
    assert taken_up.is_complete
    assert same(taken_up.ranking, undisturbed.ranking)


def test_a_checkpoint_says_what_it_is_of():
    kept = Checkpoint.from_bytes(
        Checkpoint("hash", "engine", (Sweep(Phase.STAGE_B, 7, 3),), {Phase.PLANES: 0.5}).to_bytes()
    )
    assert (kept.candles_hash, kept.engine_params_hash) == ("hash", "engine")
    assert kept.elapsed_s == {Phase.PLANES: 0.5}
    assert kept.sweep(Phase.STAGE_A) is None


def test_until_a_phase_has_ranked_something_the_one_before_it_holds_the_best():
    """A job may be asked for its best, or be cancelled, in the first moments of Stage B."""
    first, second = Sweep(Phase.STAGE_A, 10, 3), Sweep(Phase.STAGE_B, 40, 3)
    assert newest_ranked([]) is None
    assert newest_ranked([first, second]) is None
    first.add(0, 1, Ranking(np.array([0]), np.array([3.0]), np.zeros(1, np.int64)))
    assert newest_ranked([first, second]) is first
    second.add(8, 9, Ranking(np.array([9]), np.array([7.0]), np.zeros(1, np.int64)))
    assert newest_ranked([first, second]) is second


def test_the_evidence_for_the_verdict_is_taken_up_too():
    draw = np.random.default_rng(4)
    rows = draw.integers(-9, 10, (40, 16)).astype(np.int32)

    def part(first: int) -> tuple[int, int, Ranking]:
        index = np.arange(first, first + 10)
        left = Rows(index, rows[first : first + 10], np.full(10, 5))
        return first, first + 10, Ranking(index, np.zeros(10), index, evidence=gathered(left, 1600, 40))

    undisturbed, stopped = Sweep(Phase.STAGE_A, 40, 3), Sweep(Phase.STAGE_A, 40, 3)
    for first in (0, 10, 20, 30):
        undisturbed.add(*part(first))
    for first in (20, 0):
        stopped.add(*part(first))
    kept = Checkpoint.from_bytes(Checkpoint("hash", "engine", (stopped,), {}).to_bytes())
    taken_up = kept.sweep(Phase.STAGE_A)
    assert taken_up is not None
    for first in (30, 10):
        taken_up.add(*part(first))
    whole, again = undisturbed.ranking.evidence, taken_up.ranking.evidence
    assert whole is not None
    assert again is not None
    assert whole.traded == 40
    assert all(np.array_equal(column, again.arrays()[name]) for name, column in whole.arrays().items())
