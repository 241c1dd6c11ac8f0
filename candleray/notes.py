"""What a reader of an answer should know beside its numbers."""

from __future__ import annotations

from candleray.search.variants import VariantGrid


def notes_of(grid: VariantGrid, start: int, stop: int, default_warmup: int) -> tuple[str, ...]:
    """The indicators that need more bars than there are: `stop`, of which those before `start` only warm up."""
    notes = []
    for indicator in grid.indicators:
        lookbacks = [indicator.at(digit).lookback_bars for digit in range(indicator.size)]
        silent = [bars for bars in lookbacks if bars >= stop - max(0, start - max(default_warmup, bars))]
        if silent:
            notes.append(
                f"{indicator.id}: {len(silent)} of its {indicator.size} variants never give a signal: "
                f"they need up to {max(silent)} bars before their first, of the {stop} there are"
            )
    return tuple(notes)
