"""The verdict of a search: which of its variants are judged, the rows that they leave, and the answer's part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.facts import Performance
from candleray.backtests.phase import Phase
from candleray.backtests.result import RankedVariant
from candleray.backtests.verdict import TrackRecord, VariantTrust, Verdict
from candleray.candles import IntArray
from candleray.search.bars import Bars
from candleray.search.rankings import Ranking
from candleray.search.variants import VariantGrid
from candleray.timeframes import DAY_MS
from candleray.trust.evidence import Evidence
from candleray.trust.gathering import Rows, gathered
from candleray.trust.judging import LEAST_BARS, Judge, judged
from candleray.trust.sharpe import record_of
from kernels.simulation.equity_curve import mark_equity
from kernels.simulation.marks import block_ends, log_growths
from kernels.simulation.outcomes import Outcomes
from kernels.trust.blocks import UNIT

WITHOUT_STOPS = "all base variants without stops: those that went on to stops were chosen on the whole range"


def judged_phase(grid: VariantGrid) -> Phase:
    """Return the sweep over every variant: a shortlist chosen on all bars would make luck look like skill."""
    return Phase.STAGE_A if grid.needs_stage_a else Phase.STAGE_B


def judges_answer(grid: VariantGrid) -> bool:
    """Return whether the variants of the answer are among those that are judged."""
    return not (grid.has_stage_b and grid.needs_stage_a)


def strategy_of(grid: VariantGrid, index: int) -> Mapping[str, Any]:
    """Return the request of one judged variant alone, without the stops and sizes that it was judged without."""
    if judges_answer(grid):
        return grid.strategy(index)
    without = {"risk": {}, **({"sizing": {"mode": "all_in"}} if grid.sizes else {})}
    return {**grid.strategy(index * grid.combinations.size), **without}


def no_verdict(grid: VariantGrid, bars: int) -> str | None:
    """Return why no verdict can be given, known before the search; None where one can."""
    if bars < LEAST_BARS:
        return f"{bars:,} bars are fewer than {LEAST_BARS}, which make sixteen blocks of {LEAST_BARS // 16}"
    if grid.request.pruning.values and judges_answer(grid):
        return "limits prune variants by what they do on the whole range; the rest looks better by that alone"
    return None


def marks_of(grid: VariantGrid, phase: Phase, bars: int) -> IntArray | None:
    """Return the bars at which the variants of a sweep are marked; None where they are not judged."""
    wanted = grid.request.verdict and judged_phase(grid) is phase and no_verdict(grid, bars) is None
    return block_ends(bars) if wanted else None


def evidence_of(outcomes: Outcomes, numbers: IntArray, bars: int, total: int) -> Evidence | None:
    """Return the evidence of variants with these numbers, ascending, of a sweep over so many."""
    if not outcomes.marks.size:  # they are not judged
        return None
    return gathered(Rows(numbers, outcomes.rows, outcomes.in_market), bars, total)


def track_record(
    trades: NDArray[np.void], performance: Performance, close: NDArray[np.float64], init_cash_quote: float
) -> TrackRecord:
    """Return the record of one simulation, from its trades."""
    ends = block_ends(close.size)
    equity = np.empty(ends.size)
    mark_equity(trades, close, init_cash_quote, ends, equity)
    returns = performance.daily_returns
    daily = record_of(returns.mean, returns.deviation, returns.values)
    return TrackRecord(
        block_log_returns=tuple((log_growths(equity, init_cash_quote) * UNIT).tolist()),
        bars_in_market=performance.bars_in_position,
        days=returns.size,
        sharpe_daily=None if daily is None else round(daily.sharpe, 9),
        skewness=None if daily is None else round(daily.skewness, 9),
        kurtosis=None if daily is None else round(daily.kurtosis, 9),
    )


def with_verdict(
    bars: Bars, grid: VariantGrid, ranking: Ranking | None, top: Sequence[RankedVariant]
) -> tuple[Verdict | None, list[RankedVariant]]:
    """Return the verdict, and the variants of an answer with their parts of it.

    Args:
        ranking: of the sweep that is judged.
    """
    if not grid.request.verdict:
        return None, list(top)
    evidence = None if ranking is None else ranking.evidence
    reason = no_verdict(grid, bars.count) or _nothing_to_judge(grid, evidence)
    if reason is not None or evidence is None:
        return Verdict(says=None, reason=reason), [one.model_copy(update={"trust": None}) for one in top]
    judge = Judge(evidence, bars.count, bars.count * bars.bar_ms / DAY_MS)
    about = {"about": WITHOUT_STOPS} if not judges_answer(grid) else {}
    benchmark = {"benchmark_pct": round(float(bars.close[-1] / bars.close[0] - 1) * 100, 4)}
    records = [one.trust.record for one in top if one.trust is not None]
    verdict, trusts = judged(judge, records)
    by_rank = dict(zip((one.rank for one in top if one.trust is not None), trusts, strict=True))
    changed = [one.model_copy(update={"trust": by_rank.get(one.rank)}) for one in top]
    return verdict.model_copy(update={**about, **benchmark}), changed


def _nothing_to_judge(grid: VariantGrid, evidence: Evidence | None) -> str | None:
    expected = grid.radix.size if grid.needs_stage_a else grid.evaluated
    if evidence is None or evidence.traded + evidence.never_traded != expected:
        return "a part of the search was done by a version that kept no evidence"
    return None if evidence.traded else "no variant traded"


def trust_of(
    grid: VariantGrid, trades: NDArray[np.void], performance: Performance, bars: Bars, init_cash_quote: float
) -> VariantTrust | None:
    """Return the record of a variant of the answer, not judged yet; None where it will not be."""
    if not grid.request.verdict or not judges_answer(grid) or no_verdict(grid, bars.count) is not None:
        return None
    return VariantTrust(record=track_record(trades, performance, bars.close, init_cash_quote))
