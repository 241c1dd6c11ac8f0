"""The pictures of a verdict: counts of what they show, and a drawing that says the same."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from candleray.backtests.pictures.drawing import HEIGHT, drawn, page_of
from candleray.backtests.verdict import Saying, Verdict, WalkForward, WalkForwardFold
from candleray.trust.gathering import Rows, gathered
from candleray.trust.judging import Judge
from candleray.trust.overfitting import overfitting_of
from kernels.trust.blocks import UNIT
from kernels.trust.winners import FLIPS

SVG = "{http://www.w3.org/2000/svg}"


def judge_of(variants: int, seed: int = 1, drift: float = 0.0) -> Judge:
    draw = np.random.default_rng(seed)
    rows = np.rint((0.02 * draw.standard_normal((variants, 16)) + drift) / UNIT).astype(np.int32)
    indices = np.arange(variants)
    return Judge(gathered(Rows(indices, rows, np.full(variants, 9_000)), 35_000, variants), 35_000, 365.0)


@pytest.mark.parametrize(("variants", "drift"), [(1, 0.0), (2, 0.0), (60, 0.0), (60, 0.02), (60, -0.02)])
def test_every_split_and_every_flip_is_counted_once(variants: int, drift: float):
    judge = judge_of(variants, drift=drift)
    pictures = judge.verdict().pictures
    assert sum(pictures.ranks.counts) == 12_870
    assert sum(count for _, _, count in pictures.halves.cells) == 12_870
    assert sum(pictures.luck.counts) == FLIPS
    assert all(0 <= column < 24 and 0 <= row < 24 for column, row, _ in pictures.halves.cells)


def test_ranks_are_those_of_numpy():
    judge = judge_of(60)
    counts, _ = np.histogram(overfitting_of(judge.evidence).omegas, bins=20, range=(0, 1))
    assert judge.verdict().pictures.ranks.counts == tuple(counts.tolist())


def test_the_cells_below_zero_are_the_splits_that_lose():
    verdict = judge_of(60).verdict()
    cloud = verdict.pictures.halves
    low, high = (math.log1p(one / 100) for one in (cloud.outside_low_pct, cloud.outside_high_pct))
    edges = np.linspace(low, high, cloud.rows + 1)  # equal in logs
    below = sum(n for _, row, n in cloud.cells if edges[row + 1] < 0)
    holding_zero = sum(n for _, row, n in cloud.cells if edges[row] <= 0 <= edges[row + 1])
    assert 0 <= verdict.losing_splits - below / 12_870 <= holding_zero / 12_870 < 0.3


def test_the_red_line_parts_the_rows_that_lose_from_those_that_earn():
    verdict = judge_of(60).verdict()
    cloud = verdict.pictures.halves
    low, high = (math.log1p(one / 100) for one in (cloud.outside_low_pct, cloud.outside_high_pct))
    tree = ElementTree.fromstring(drawn(verdict))
    panel = next(one for one in tree.iter(f"{SVG}g") if "other half" in one[0].text and "returned" in one[0].text)
    (line,) = [one.get("d") for one in panel.iter(f"{SVG}path") if one.get("class") == "mark"]
    height = HEIGHT - float(line.removeprefix("M0 ").partition("H")[0])
    assert height / HEIGHT == pytest.approx(-low / (high - low), abs=0.01)


def test_luck_p_is_the_share_of_luck_beyond_the_grids_own_best():
    judge = judge_of(60)
    verdict = judge.verdict()
    luck = verdict.pictures.luck
    width = (luck.high - luck.low) / len(luck.counts)
    beyond = sum(n for at, n in enumerate(luck.counts) if luck.low + (at + 1) * width > 1)
    assert beyond / FLIPS >= verdict.luck_p - 0.01
    assert beyond / FLIPS == pytest.approx(verdict.luck_p, abs=0.15)


def test_a_drawing_is_whole_and_holds_nothing_from_elsewhere():
    fold = {"start": "2025-01-01", "end": "2025-02-01", "chosen_return_pct": 3.0, "trades": 2}
    folds = [WalkForwardFold(**fold, variant_index=at, return_pct=(-1) ** at * 2.0) for at in range(12)]
    verdict = judge_of(60).verdict().model_copy(update={"walk_forward": WalkForward.of(24, folds)})
    picture = drawn(verdict)
    tree = ElementTree.fromstring(picture)
    titles = [one.text for one in tree.iter(f"{SVG}text") if one.get("class") == "title"]
    assert len(titles) == 4
    assert [one for one in tree.iter() if one.tag.removeprefix(SVG) in ("script", "image", "a", "use")] == []
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    page = page_of(verdict, "<b>Skill</b> or luck")
    assert "<b>" not in page
    assert verdict.text.split(".")[0] in page


def test_a_verdict_that_says_nothing_has_no_pictures():
    assert drawn(Verdict(says=None, reason="no variant traded")) is None
    assert drawn(Verdict(says=Saying.NOISE, luck_p=0.5, losing_splits=0.7)) is None
    assert "No verdict" in page_of(Verdict(says=None, reason="no variant traded"), "Skill or luck")
