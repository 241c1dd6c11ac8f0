"""The verdict of a search over all of its variants, as an answer has it, and its words for a trader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from candleray.backtests.pictures.distributions import VerdictPictures
from candleray.validation import Model

SPLITS = 12_870
"""Ways to halve sixteen blocks."""

EDGE_LUCK_P, EDGE_LOSING = 0.02, 0.25
NOISE_LUCK_P, NOISE_LOSING = 0.20, 0.45
STABLE_PBO = 0.10


class Saying(StrEnum):
    """The three things a verdict may say."""

    EDGE = "likely an edge"
    UNPROVEN = "not proven"
    NOISE = "likely noise"

    @classmethod
    def of(cls, luck_p: float, losing: float) -> Saying:
        """Return what the luck test and the share of losing splits say; nothing else votes."""
        if luck_p <= EDGE_LUCK_P and losing <= EDGE_LOSING:
            return cls.EDGE
        if losing >= NOISE_LOSING or luck_p > NOISE_LUCK_P:
            return cls.NOISE
        return cls.UNPROVEN


class TrackRecord(Model):
    """One variant's record, from which its part of the verdict follows."""

    block_log_returns: tuple[float, ...]
    """Log of what the equity was multiplied by in each of sixteen equal blocks of the bars."""
    bars_in_market: int
    days: int
    sharpe_daily: float | None
    """Mean over deviation of the daily returns; null without a deviation, and then the next two are."""
    skewness: float | None
    kurtosis: float | None
    """Fourth moment over the squared variance; 3 of a normal distribution."""


class VariantTrust(Model):
    """The part of a verdict that is about one variant, among all that were tried."""

    luck_p: float | None = None
    """Share of histories in which luck alone gives some variant of the grid a result like this one's."""
    deflated_sharpe: float | None = None
    """Probability that its Sharpe ratio is above the best of the independent variants by luck."""
    deflated_sharpe_all: float | None = None
    """The same among all variants, however alike."""
    days_to_show: int | None = None
    """Days of record that would show its Sharpe ratio to be above luck's; null where no length would."""
    record: TrackRecord


class EarlierSearches(Model):
    """The searches of the same user before this one, over candles of the same symbol in the same time."""

    searches: int
    variants: int
    """Variants that they tried."""
    independent_variants: float
    """Independent variants that these count as, each search by the share of this range that it went over."""


class WalkForwardFold(Model):
    """One block, walked by the variant that was the best over all blocks before it."""

    start: datetime
    """Opening of the first bar that trades, after the embargo."""
    end: datetime
    variant_index: int
    """The variant by its number; of base variants without stops where these are judged."""
    chosen_return_pct: float
    """Its return over the blocks that chose it."""
    return_pct: float
    """Its return over this block, flat at its start and closed at its end with costs."""
    trades: int


class WalkForward(Model):
    """The returns of whoever chooses by the past, block after block; the first four blocks only choose."""

    return_pct: float
    """The return of all folds, each with what the ones before it left."""
    profitable: int
    """The number of folds with a profit."""
    embargo_bars: int
    """Bars at the start of each block on which nothing trades."""
    folds: tuple[WalkForwardFold, ...]

    @classmethod
    def of(cls, embargo_bars: int, folds: Sequence[WalkForwardFold]) -> WalkForward:
        growth = math.prod(1 + fold.return_pct / 100 for fold in folds)
        return cls(
            return_pct=round((growth - 1) * 100, 4),
            profitable=sum(fold.return_pct > 0 for fold in folds),
            embargo_bars=embargo_bars,
            folds=tuple(folds),
        )

    @property
    def text(self) -> str:
        """The walk-forward as a sentence."""
        return f"Walk-forward {self.return_pct:+,.1f} %, {self.profitable} of {len(self.folds)} blocks in profit."

    @property
    def table(self) -> str:
        """The folds as text, a line each."""
        lines = [
            f"{fold.start:%Y-%m-%d %H:%M}  variant {fold.variant_index}, {fold.chosen_return_pct:+,.1f} % before: "
            f"{fold.return_pct:+,.2f} % in {fold.trades:,} trades"
            for fold in self.folds
        ]
        return "\n".join([self.text, *lines])


class Plateau(Model):
    """The neighbours of the best variant: one step aside on each axis that is a number, in all combinations."""

    score: float | None
    """Lead of the median neighbour over the median of all variants, as a share of the best's; null where the best
    has none. Smooth is not proof: neighbours share trades, and luck under costs makes smooth hills."""
    neighbours: int
    at_ends: tuple[str, ...]
    """Parameters at whose first or last value the best stands: better ones may lie beyond."""

    @property
    def text(self) -> str:
        """The parameters at whose ends the best stands, as a sentence; empty where there are none."""
        names = ", ".join(self.at_ends)
        return f"The best stands at an end of {names}: better ones may lie beyond." if names else ""


class Verdict(Model):
    """The judgement of a search: is its best more than luck? It is about all variants that traded."""

    says: Saying | None
    """Null where none can be given; `reason` says why."""
    reason: str | None = None
    about: str = "all variants"
    """The variants that are judged."""
    method: int = 1
    """The number of the method; one that gives other numbers has another."""
    variants: int = 0
    """Variants that traded."""
    never_traded: int = 0
    independent_variants: float | None = None
    """Independent variants whose best would be as high by luck as that of these."""
    luck_p: float | None = None
    """Share of histories in which luck alone gives the grid its best result."""
    losing_splits: float | None = None
    """Share of the 12,870 halves of the range whose winner loses on the other half."""
    pbo: float | None = None
    """Probability of backtest overfitting: share of the halves whose winner is in the lower half on the other. It
    does not vote: under costs it is near 0 on noise."""
    return_kept: float | None = None
    """Mean log return of the winners on the other half over that on their own."""
    best_sharpe: float | None = None
    """Yearly, of the first variant of the answer."""
    luck_sharpe: float | None = None
    """Yearly Sharpe ratio that the best of the independent variants reaches by luck."""
    days: int | None = None
    days_to_show: int | None = None
    """Days of record that would show the best one's ratio to be above luck's; null where no length would."""
    benchmark_pct: float | None = None
    """Return of buying and holding, in percent."""
    plateau: Annotated[Plateau | None, Field(exclude_if=lambda plateau: plateau is None)] = None
    """Left out where no axis is a number with several values, and of older answers. It does not vote."""
    walk_forward: Annotated[WalkForward | None, Field(exclude_if=lambda walk: walk is None)] = None
    """Left out of answers that are older than it."""
    pictures: Annotated[VerdictPictures | None, Field(exclude_if=lambda pictures: pictures is None)] = None
    """The distributions behind it; left out of answers that are older than they, and of trials and strategies."""
    earlier: Annotated[EarlierSearches | None, Field(exclude_if=lambda earlier: earlier is None)] = None
    """Left out where there are none."""
    luck_p_with_earlier: Annotated[float | None, Field(exclude_if=lambda luck_p: luck_p is None)] = None
    """The luck p of the best of this search and the earlier ones together: it decides where there are earlier
    ones."""

    @property
    def line(self) -> str:
        """The verdict on one line, for the foot of a table."""
        if self.says is None:
            return f"verdict: none, {self.reason}"
        return (
            f"verdict: {self.says}; winners of half the range lost on the other half in "
            f"{_percent(self.losing_splits)}, luck p {_number(self.luck_p, 2)}{self._with_earlier}, "
            f"{self._counted}"
        )

    @property
    def text(self) -> str:
        """The verdict as a trader reads it."""
        if self.says is None:
            return f"No verdict: {self.reason}."
        sentences = [f"{self.says.value.capitalize()}.", self._halves, self._luck, f"{self._counted}."]
        sentences += [
            one for one in (self._before, self._sharpe, self._walked, self._kept, self._stable, self._ends) if one
        ]
        return " ".join(sentences)

    @property
    def numbers(self) -> tuple[tuple[str, str], ...]:
        """The numbers behind it with their names, as tables show them; the first two decide."""
        earlier = () if self.earlier is None else (self._row_of_earlier(self.earlier),)
        return (
            ("winners that lost on the other half", _percent(self.losing_splits)),
            ("luck p of the whole grid", _number(self.luck_p, 4)),
            *earlier,
            ("variants that traded", f"{self.variants:,}"),
            ("variants that never traded", f"{self.never_traded:,}"),
            ("count as independent ones", _number(self.independent_variants, 1)),
            ("probability of overfitting (PBO)", _percent(self.pbo)),
            ("return kept on the other half", _percent(self.return_kept)),
            ("best Sharpe", _number(self.best_sharpe, 2)),
            ("Sharpe that luck alone reaches", _number(self.luck_sharpe, 2)),
            ("days of record", "–" if self.days is None else f"{self.days:,}"),
            (
                "days that would prove the best",
                "no number" if self.days_to_show is None else f"{self.days_to_show:,}",
            ),
            ("buying and holding", "–" if self.benchmark_pct is None else f"{self.benchmark_pct:+,.2f} %"),
        )

    def _row_of_earlier(self, earlier: EarlierSearches) -> tuple[str, str]:
        return f"luck p with {earlier.searches:,} earlier searches", _number(self.luck_p_with_earlier, 4)

    @property
    def _halves(self) -> str:
        return (
            "Chosen on half of the range, the best variant lost money on the other half in "
            f"{_percent(self.losing_splits)} of {SPLITS:,} ways to halve it."
        )

    @property
    def _luck(self) -> str:
        return f"Luck alone gives a grid of this kind its best result {_histories(self.luck_p)}."

    @property
    def _before(self) -> str:
        if self.earlier is None:
            return ""
        count, variants = self.earlier.searches, self.earlier.variants
        searches = "1 other search" if count == 1 else f"{count:,} other searches"
        tried = "1 variant" if variants == 1 else f"{variants:,} variants"
        return (
            f"You have made {searches} over these candles before, of {tried}: with them luck alone gives such "
            f"a result {_histories(self.luck_p_with_earlier)}, and that is what counts."
        )

    @property
    def _with_earlier(self) -> str:
        if self.earlier is None:
            return ""
        return f" ({_number(self.luck_p_with_earlier, 2)} with {self.earlier.searches:,} earlier searches)"

    @property
    def _counted(self) -> str:
        count = "1 variant counts" if self.variants == 1 else f"{self.variants:,} variants count"
        return f"{count} as about {self.independent_variants or 1:,.0f}"

    @property
    def _sharpe(self) -> str:
        if self.best_sharpe is None or self.luck_sharpe is None:
            return ""
        compared = (
            f"Best Sharpe {_number(self.best_sharpe, 1)}; luck alone reaches {_number(self.luck_sharpe, 1)}: "
        )
        if self.days_to_show is None:
            return compared + "at this Sharpe no length of record would prove it."
        return (
            compared
            + f"{self.days_to_show:,} days of record at this Sharpe would prove it, {self.days:,} are there."
        )

    @property
    def _walked(self) -> str:
        return "" if self.walk_forward is None else self.walk_forward.text

    @property
    def _ends(self) -> str:
        return "" if self.plateau is None else self.plateau.text

    @property
    def _kept(self) -> str:
        if self.says is not Saying.EDGE:
            return ""
        held = "" if self.benchmark_pct is None else f" Buying and holding returned {self.benchmark_pct:,.1f} %."
        kept = "" if self.return_kept is None else f"It kept {_percent(self.return_kept)} of its return. "
        return f"{kept}So it was not luck on these data; that does not say that it goes on.{held}"

    @property
    def _stable(self) -> str:
        if self.says is not Saying.NOISE or self.pbo is None or self.pbo >= STABLE_PBO:
            return ""
        return f"(The ranking is stable, PBO {_percent(self.pbo)}: costs decide it, not skill.)"


def _histories(luck_p: float | None) -> str:
    times = round(100 * (luck_p or 0.0))
    return f"in {times} of 100 histories" if times else "in fewer than 1 of 100 histories"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{math.floor(100 * share + 0.5)} %"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
