"""Evidence that a search keeps for the verdict, against plain loops, and however it is cut and merged."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candleray.trust import gathering
from candleray.trust.evidence import Evidence
from candleray.trust.gathering import Rows, gathered
from candleray.trust.overfitting import overfitting_of
from kernels.trust.blocks import LIMIT, SHARPE_UNIT, UNIT, sharpe_sums, standardized, weighted
from kernels.trust.flips import TURNED_PAIRS, best_flips
from kernels.trust.winners import FLIPS, HALVES, PAIRS, PREFIXES, TURNED
from tests.support.oracles import naive_trust as naive

BARS = 1600


def drawn(variants: int, seed: int = 1, kind: str = "plain") -> np.ndarray:
    draw = np.random.default_rng(seed)
    rows = draw.integers(-1_000_000, 1_000_000, (variants, 16))
    if kind == "ties":
        rows = draw.integers(-1, 2, (variants, 16))
    elif kind == "zeros":
        rows[draw.random(rows.shape) < 0.7] = 0
    elif kind == "duplicates":
        rows[variants // 2 :] = rows[: variants - variants // 2]
    elif kind == "ends":
        rows = draw.choice([-LIMIT, 0, LIMIT], (variants, 16))
    return rows.astype(np.int32)


def evidence_of(rows: np.ndarray, first: int = 0, total: int | None = None, in_market: int = 100) -> Evidence:
    indices = np.arange(first, first + len(rows))
    return gathered(Rows(indices, rows, np.full(len(rows), in_market)), BARS, total or len(rows))


def blocks_of(mask: int) -> list[int]:
    return [block for block in range(16) if mask >> block & 1]


def test_the_halves_are_all_there_are_once():
    both = {tuple(blocks_of(int(mask))) for mask in [*PAIRS, *(0xFFFF - PAIRS)]}
    assert both == set(naive.halves())
    assert len(both) == HALVES == math.comb(16, 8)


@pytest.mark.parametrize("kind", ["plain", "ties", "zeros", "duplicates", "ends"])
@pytest.mark.parametrize("variants", [1, 2, 7, 50, 300])
def test_winners_and_their_ranks_are_those_of_plain_loops(variants: int, kind: str):
    rows = drawn(variants, variants, kind)
    found = evidence_of(rows)
    plain = rows.tolist()
    omegas = overfitting_of(found).omegas
    # Every half of a few variants, some halves of many: the loops are slow.
    for place in range(0, HALVES, max(1, variants // 2) * 13):
        mask = int(np.r_[PAIRS, 0xFFFF - PAIRS][place])
        winner, inside, outside, omega = naive.half_facts(plain, blocks_of(mask))
        assert (found.halves.indices[place], found.halves.sums[place]) == (winner, inside)
        assert found.halves.others[place] == outside
        assert omegas[place] == pytest.approx(omega, abs=1e-15)
    for place, mask in enumerate(PREFIXES.tolist()):
        assert (found.prefixes.indices[place], found.prefixes.sums[place]) == naive.winner(plain, blocks_of(mask))


@pytest.mark.parametrize("kind", ["plain", "ties", "ends"])
def test_what_follows_from_all_halves_is_that_of_plain_loops(kind: str):
    rows = drawn(12, 3, kind)
    expected = naive.overfitting(rows.tolist())
    found = overfitting_of(evidence_of(rows))
    assert found.pbo == pytest.approx(expected["pbo"], abs=1e-12)
    assert found.losing == pytest.approx(expected["loses"], abs=1e-12)
    assert found.kept == pytest.approx(expected["kept"], rel=1e-12)


def test_flips_are_those_of_plain_loops():
    rows = drawn(40, 2)
    best = best_flips(rows)
    for place in range(0, TURNED, 17):
        up = blocks_of(int(TURNED_PAIRS[place]))
        down = [block for block in range(16) if block not in up]
        assert best[place] == naive.turned_best(rows.tolist(), up)
        assert best[place + TURNED] == naive.turned_best(rows.tolist(), down)
    assert best.size == FLIPS == 2048


def test_rows_are_weighed_by_their_time_in_the_market():
    rows = np.array([[1, 2, -3, *[0] * 13], [LIMIT] * 16], np.int32)
    out = weighted(rows, np.array([400, 100]), 1600)
    assert out[0, :3].tolist() == [2, 4, -6]
    assert out[1].tolist() == [LIMIT] * 16  # they go no further


def test_standardized_rows_have_no_mean_and_their_own_deviation():
    rows = drawn(3, 9)
    rows[2] = 5
    out = standardized(rows) * UNIT
    whole = rows[:2].astype(float)
    expected = (whole - whole.mean(1, keepdims=True)) / whole.std(1, ddof=1, keepdims=True)
    assert out[:2] == pytest.approx(expected, abs=2 * UNIT)
    assert not out[2].any()


def test_sharpe_ratios_add_up():
    rows = drawn(30, 4)
    rows[3] = 7  # no deviation, no ratio
    number, total, squares = sharpe_sums(rows).tolist()
    whole = np.delete(rows, 3, 0).astype(float)
    ratios = whole.mean(1) / whole.std(1, ddof=1) / SHARPE_UNIT
    assert number == 29
    assert total == pytest.approx(np.rint(ratios).sum(), abs=2)
    assert squares == pytest.approx((np.rint(ratios) ** 2).sum(), rel=1e-3)


def same(one: Evidence, other: Evidence) -> bool:
    theirs = other.arrays()
    return all(np.array_equal(column, theirs[name]) for name, column in one.arrays().items())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=6), st.randoms(), st.sampled_from(["ties", "duplicates", "plain"]))
def test_any_cut_and_order_of_merging_gives_the_same_bytes(cuts, random, kind):
    rows = drawn(700, 11, kind)
    rows[5:9] = 0
    edges = [0, *sorted(cuts), 700]
    parts = [evidence_of(rows[first:last], first, 700) for first, last in pairwise(edges)]
    random.shuffle(parts)
    merged = Evidence.none()
    for part in parts:
        merged = part.merged(merged) if random.random() < 0.5 else merged.merged(part)
    assert same(merged, evidence_of(rows))


def test_variants_that_never_traded_are_counted_and_take_no_part():
    rows = drawn(9)
    traded = np.array([100, 0, 0, 50, 1, 0, 9, 9, 9])
    found = gathered(Rows(np.arange(9), rows, traded), BARS, 9)
    assert (found.traded, found.never_traded) == (6, 3)
    assert found.sampled_indices.tolist() == [0, 3, 4, 6, 7, 8]
    assert not set(found.halves.indices.tolist()) & {1, 2, 5}


def test_of_a_large_search_some_are_ranked_and_the_winner_is_among_them(monkeypatch):
    monkeypatch.setattr(gathering, "SAMPLE", 200)
    rows = drawn(2000, 8)
    some = evidence_of(rows)
    assert 150 < some.sampled_indices.size < 250
    assert np.array_equal(some.sampled_rows, rows[some.sampled_indices])
    monkeypatch.setattr(gathering, "SAMPLE", 2000)
    every = evidence_of(rows)
    ranked = {"sampled_indices": every.sampled_indices, "sampled_rows": every.sampled_rows}
    assert same(replace(some, **ranked), every)
    assert overfitting_of(some).pbo == pytest.approx(overfitting_of(every).pbo, abs=0.05)


def test_evidence_is_read_as_it_was_written():
    found = evidence_of(drawn(20))
    assert same(Evidence.of_arrays(found.arrays()), found)
    assert same(Evidence.none().merged(found), found)
