"""Answers and errors as a person meets them in a notebook: one readable line each."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from uuid import UUID

import pytest

from candleray.backtests.result import RankedVariant
from candleray.backtests.verdict import Verdict
from candleray.errors import CandlerayError, InvalidInput, Problem, invalid
from candleray.jobs.job import BestVariant, Job, JobState, JobTop
from candleray.sdk.jobs import ListedJob
from candleray.validation import Model, validated

STRATEGY: dict[str, object] = {"indicators": [{"id": "sma", "params": {"window": 20}}], "risk": {"sl_pct": 2.0}}
BEST = BestVariant(rank=1, variant_index=1234, total_return_pct=38.7, conflicting_signals=0, strategy=STRATEGY)
TEXT = "<rank 1, variant 1,234: +38.7000 %, sma.window 20, sl_pct 2.0>"
JOB_ID = UUID("3f2a9c1b-0000-4000-8000-000000000001")


class Pair(Model):
    left: int
    right: int
    under: dict[str, int] = {}


def job(**changes: object) -> Job:
    empty = dict.fromkeys(Job.model_fields)
    known = {
        "job_id": JOB_ID,
        "state": JobState.QUEUED,
        "phase": "queued",
        "variants_done": 0,
        "simulations": 20_000,
    }
    return Job.model_construct(**{**empty, **known, **changes})


def test_a_variant_is_one_line_with_its_parameters():
    ranked = RankedVariant(**{**dict(BEST), "metrics": {"Total Return [%]": 38.7}}, table_md="|Metric|Value|")
    assert repr(BEST) == str(BEST) == repr(ranked) == TEXT


def test_a_job_is_one_line_that_says_what_it_waits_for():
    assert repr(job()) == f"<job {JOB_ID}: queued, queued, 0 of 20,000 simulations>"
    assert repr(job(waiting_for="2 before it")).endswith("simulations, 2 before it>")


def test_the_best_of_a_job_are_a_line_each_and_the_rest_is_counted():
    top = JobTop(
        job_id=JOB_ID, state=JobState.RUNNING, partial=True, variants_done=1, simulations=9, top=(BEST,) * 12
    )
    first, *lines = repr(top).splitlines()
    assert first == f"<job {JOB_ID}: running, 1 of 9 simulations>"
    assert lines == [f"  {TEXT}"] * 10 + ["  and 2 more"]
    judged = top.model_copy(update={"verdict": Verdict(says=None, reason="too few bars")})
    assert repr(judged).splitlines()[-1] == "  verdict: none, too few bars"


def test_a_listed_job_keeps_what_the_list_said():
    listed = ListedJob.of(None, job(created_at=datetime(2025, 1, 1, tzinfo=UTC)))  # type: ignore[arg-type]
    assert repr(listed) == repr(job())
    assert (listed.job_id, listed.state, listed.ended) == (JOB_ID, "queued", False)


def test_the_text_of_an_error_leaves_no_problem_out():
    with pytest.raises(InvalidInput) as caught:
        validated(Pair, {"left": "a", "right": "b", "under": {"x": "c"}})
    error = caught.value
    for text in (str(error), str(pickle.loads(pickle.dumps(error)))):
        assert "more)" not in text
        assert len(text.splitlines()) == 1
        for problem in error.problems:
            assert text.count(f"{problem.field}: {problem.message}") == 1
    assert "(and 2 more)" in error.payload()["error"]["message"]


def test_the_text_of_an_error_says_nothing_twice():
    assert str(invalid("start", "empty", "start must be before end")) == "start must be before end"
    assert str(CandlerayError("no")) == "no"
    assert (
        str(CandlerayError("busy", [Problem("", "a", "one"), Problem("b", "c", "two")]))
        == "busy; request: one; b: two"
    )
