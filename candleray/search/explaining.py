"""Explanations: a variant over a range, how often its conditions are true, where it opens, what blocks it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import numpy as np

from candleray.backtests.explanation import ConditionShare, Explanation, SignalBar
from candleray.backtests.request import BacktestRequest
from candleray.backtests.sentences import sentences
from candleray.backtests.signals.conditions import RuleCondition
from candleray.backtests.signals.cross_references import all_parts
from candleray.backtests.signals.speech import Speech
from candleray.market_data.bar_reader import CandleReader
from candleray.search.bars import Bars
from candleray.search.one_variant import bars_of, one_variant
from candleray.search.reports import notes_on_gaps
from candleray.search.signals.blockers import blockers_of
from candleray.search.signals.signal_notes import signal_notes
from candleray.search.signals.truths import Truth, opening_bars, truths_of
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings, Settings
from candleray.timeframes import iso
from kernels.indicators import INDICATORS
from kernels.rules import FAMILIES

FIRST_SIGNALS = 5

Look = Callable[[Bars, BacktestRequest, BacktestRequest, int, BacktestSettings], Awaitable[Explanation]]
"""Carries `looked_at` out, wherever that is."""


async def explained(
    request: BacktestRequest, variant_index: int, store: CandleReader, settings: Settings, look: Look | None = None
) -> Explanation:
    """Explain a request and one of its variants, over the bars that a backtest of that variant reads.

    The guards are asked about that variant alone: a search of any size may be explained.

    Raises:
        InvalidInput: the request has no variant of that number.
        GuardExceeded: the range is too long for one synchronous answer.
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """
    variant = one_variant(request, variant_index, settings)
    bars = await bars_of(variant, store, settings)
    return await (look or _on_a_thread)(bars, variant.whole, variant.alone, variant_index, settings.backtests)


async def _on_a_thread(
    bars: Bars, whole: BacktestRequest, one: BacktestRequest, variant_index: int, defaults: BacktestSettings
) -> Explanation:
    return await asyncio.to_thread(looked_at, bars, whole, one, variant_index, defaults)


def looked_at(
    bars: Bars, whole: BacktestRequest, one: BacktestRequest, variant_index: int, defaults: BacktestSettings
) -> Explanation:
    """Return what there is to say of a resolved request and of one of its variants over these bars."""
    grid, alone, speech = VariantGrid(whole), VariantGrid(one), Speech(one.let)
    truths = truths_of(bars, alone, defaults.warmup_bars)
    openings = opening_bars(truths, bars.count, one.direction.value, bars.gaps)
    closes_ms = bars.ts_open_ms + bars.bar_ms
    places = {side: np.flatnonzero(flags)[:FIRST_SIGNALS] for side, flags in openings.items()}
    first = sorted((int(at), side) for side, bars_of_side in places.items() for at in bars_of_side)
    return Explanation(
        sentences=sentences(whole),
        variants_total=grid.size,
        variant_index=variant_index,
        variant_sentences=sentences(one),
        strategy=grid.strategy(variant_index),
        bars=bars.count,
        conditions=tuple(_share(each, bars.count, speech) for truth in truths.values() for each in truth.whole()),
        signal_bars={side: int(flags.sum()) for side, flags in openings.items()},
        first_signals=tuple(
            SignalBar(side=side, time=iso(int(closes_ms[at]))) for at, side in first[:FIRST_SIGNALS]
        ),
        blockers=tuple(
            blocker
            for side, flags in openings.items()
            if not flags.any()
            for blocker in blockers_of(truths, side, bars.count, speech)
        ),
        notes=(
            *bars.coverage.notes,
            *notes_on_gaps(bars, whole, defaults, None),
            *signal_notes(grid, bars),
            *_rules(one),
        ),
    )


def _share(truth: Truth, bars: int, speech: Speech) -> ConditionShare:
    return ConditionShare(
        path=truth.path,
        words=speech.condition(truth.node),
        true_bars=truth.true_bars,
        true_pct=100.0 * truth.true_bars / bars,
        unknown_bars=bars - truth.true_bars - truth.false_bars,
    )


def _rules(request: BacktestRequest) -> Iterator[str]:
    """Yield what the rules mean that the sentences mention."""
    mentioned = {one.id for one in request.indicators}
    if request.signals is not None:
        parts = all_parts(request.let, request.signals)
        mentioned |= {part.rule for _, part in parts if isinstance(part, RuleCondition)}
    for name in sorted(mentioned):
        yield f"the rule of {name}: {FAMILIES[INDICATORS[name].rule.family].meaning}"
