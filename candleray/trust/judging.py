"""The verdict, from what a search kept of all variants and the records of those that it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from candleray.backtests.verdict import Saying, TrackRecord, VariantTrust, Verdict
from candleray.candles import IntArray
from candleray.trust.bests import expected_best, independent_variants
from candleray.trust.evidence import Evidence
from candleray.trust.overfitting import overfitting_of
from candleray.trust.pictures import pictures_of
from candleray.trust.sharpe import Record, days_to_show, deflated
from kernels.trust.blocks import SHARPE_UNIT, UNIT, weighted
from kernels.trust.winners import BLOCKS, FLIPS

LEAST_BARS = 20 * BLOCKS
"""Blocks of fewer bars hold no trades worth a sum."""

YEAR_DAYS = 365


@dataclass(frozen=True)
class Judge:
    """The numbers of a search against which each of its variants is held."""

    evidence: Evidence
    bars: int
    days: float
    """Length of the range."""

    def verdict(self) -> Verdict:
        """Return the verdict without what the first variant of the answer adds; at least one must have traded."""
        evidence, overfitting = self.evidence, overfitting_of(self.evidence)
        luck_p = self.luck_p(int(evidence.highest[0]))
        return Verdict(
            says=Saying.of(luck_p, overfitting.losing),
            variants=evidence.traded,
            never_traded=evidence.never_traded,
            independent_variants=_rounded(self.independent),
            luck_p=luck_p,
            losing_splits=overfitting.losing,
            pbo=overfitting.pbo,
            return_kept=None if overfitting.kept is None else round(overfitting.kept, 4),
            pictures=pictures_of(evidence, overfitting),
        )

    def luck_p(self, total: int) -> float:
        """Return how often luck gives the grid so high a sum of weighted block returns."""
        reached = int(np.count_nonzero(self.evidence.lucky >= total))
        return (1 + reached) / (1 + FLIPS)

    @cached_property
    def independent(self) -> float:
        """The number of independent variants that these count as; no more than they are."""
        best = int(self.evidence.standard.sum(dtype=np.int64)) / FLIPS * UNIT / math.sqrt(BLOCKS)
        return min(independent_variants(best), max(1.0, float(self.evidence.traded)))

    @cached_property
    def deviation(self) -> float:
        """The deviation of the variants' daily Sharpe ratios, told from their blocks."""
        _, _, number, total, squares = self.evidence.counts.tolist()
        if number < 2:
            return 0.0
        variance = (squares - total * total / number) / (number - 1)
        return math.sqrt(max(0.0, variance)) * SHARPE_UNIT / math.sqrt(self.days / BLOCKS)

    def luck_of_all(self) -> float:
        """Return the daily Sharpe ratio that the best of all variants reaches by luck, as they differ."""
        return self.deviation * expected_best(self.evidence.traded)

    def luck_of_independent(self, days: int) -> float:
        """Return the daily Sharpe ratio that the best of the independent ones reaches by luck in so many days."""
        return expected_best(self.independent) / math.sqrt(days - 1)

    def trust(self, record: TrackRecord) -> VariantTrust:
        """Return how far the variant of this record is more than luck."""
        row = np.rint(np.array([record.block_log_returns]) / UNIT).astype(np.int32)
        in_market: IntArray = np.array([record.bars_in_market], np.int64)
        total = int(weighted(row, in_market, self.bars).sum(dtype=np.int64))
        luck_p = self.luck_p(total) if record.bars_in_market else None
        daily = daily_record(record)
        if daily is None:
            return VariantTrust(luck_p=luck_p, record=record)
        luck = self.luck_of_independent(daily.days)
        days = days_to_show(daily, luck)
        return VariantTrust(
            luck_p=luck_p,
            deflated_sharpe=_four(deflated(daily, luck)),
            deflated_sharpe_all=_four(deflated(daily, self.luck_of_all())),
            days_to_show=None if days is None else math.ceil(round(days, 6)),
            record=record,
        )


def judged(judge: Judge, records: Sequence[TrackRecord]) -> tuple[Verdict, list[VariantTrust]]:
    """Return the verdict of a search, and the part of each record; the first is that of the best."""
    trusts = [judge.trust(record) for record in records]
    verdict = judge.verdict()
    if not trusts:
        return verdict, trusts
    best = trusts[0]
    daily = daily_record(best.record)
    if daily is None:
        return verdict, trusts
    year = math.sqrt(YEAR_DAYS)
    update = {
        "best_sharpe": _four(daily.sharpe * year),
        "luck_sharpe": _four(judge.luck_of_independent(daily.days) * year),
        "days": daily.days,
        "days_to_show": best.days_to_show,
    }
    return verdict.model_copy(update=update), trusts


def daily_record(record: TrackRecord) -> Record | None:
    """Return the numbers of the daily returns; None where they have no deviation."""
    if record.sharpe_daily is None or record.skewness is None or record.kurtosis is None or record.days < 2:
        return None
    return Record(record.days, record.sharpe_daily, record.skewness, record.kurtosis)


def _four(value: float | None) -> float | None:
    """Return it to four decimals: what a machine's own last digit would change."""
    return None if value is None else round(value, 4)


def _rounded(number: float) -> float:
    return round(number, 1) if number < 100 else float(round(number))
