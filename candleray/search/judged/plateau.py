"""Plateau: how the neighbours of the best variant did, one step aside on each axis that is a number.

They are walked once more, as a small grid of their own: of a search's variants only sums are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from candleray.backtests.axes import Axis, levels
from candleray.backtests.parameters import parameters
from candleray.backtests.request import BacktestRequest
from candleray.backtests.verdict import Plateau, Verdict
from candleray.search import engine
from candleray.search.bars import Bars
from candleray.search.judged.verdicts import strategy_of
from candleray.search.rankings import Ranking
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.trust.evidence import Evidence

MOST_AXES = 5
"""Axes on which neighbours differ, those with the most values: 243 variants at the most."""

_AXIS: TypeAdapter[Any] = TypeAdapter(Axis)

Place: TypeAlias = tuple[str | int, ...]


class Neighbourhood(NamedTuple):
    """One axis of a request, and where the best variant stands on it."""

    place: Place
    """Its path within the request as JSON."""
    values: int
    digit: int
    near: tuple[float, ...]
    """The values of the best and of what is beside it, ascending."""

    @property
    def is_at_an_end(self) -> bool:
        """True where there are others on one side alone; of two values each would be an end."""
        return self.values > 2 and self.digit in (0, self.values - 1)


def with_plateau(
    bars: Bars, grid: VariantGrid, ranking: Ranking, verdict: Verdict | None, defaults: BacktestSettings
) -> Verdict | None:
    """Return the verdict with the plateau of the best variant, where it says anything.

    Args:
        ranking: of the sweep that is judged.
    """
    if verdict is None or verdict.says is None or ranking.evidence is None or not len(ranking):
        return verdict
    strategy = strategy_of(grid, int(ranking.index[0]))
    plateau = plateau_of(bars, grid.request, strategy, ranking.evidence, defaults)
    return verdict if plateau is None else verdict.model_copy(update={"plateau": plateau})


def plateau_of(
    bars: Bars,
    request: BacktestRequest,
    strategy: Mapping[str, Any],
    evidence: Evidence,
    defaults: BacktestSettings,
) -> Plateau | None:
    """Return the plateau of one variant of a search, given as JSON; None where no axis is a number."""
    axes = list(_neighbourhoods(request.model_dump(mode="json"), strategy, ()))
    if not axes:
        return None
    widest = sorted(axes, key=lambda axis: -axis.values)[:MOST_AXES]
    around = _totals(bars, _with_values(strategy, {axis.place: axis.near for axis in widest}), defaults)
    [best] = _totals(bars, strategy, defaults)
    around.pop(int(np.argmin(np.abs(np.array(around) - best))))
    middle = float(np.median(evidence.sampled_rows.sum(axis=1, dtype=np.int64)))
    lead = best - middle
    score = (float(np.median(around)) - middle) / lead if lead > 0 and around else None
    return Plateau(
        score=None if score is None else round(score, 4),
        neighbours=len(around),
        at_ends=_names(strategy, [axis.place for axis in axes if axis.is_at_an_end]),
    )


def _neighbourhoods(asked: Any, chosen: Any, place: Place) -> Iterator[Neighbourhood]:
    """Yield each axis of a part of a request that has several values, with those beside the chosen one."""
    if isinstance(asked, dict) and isinstance(chosen, int | float):
        values = levels(_AXIS.validate_python(asked))
        digit = _digit(values, chosen)
        if values.count > 1:
            near = range(max(0, digit - 1), min(values.count, digit + 2))
            yield Neighbourhood(place, values.count, digit, tuple(values.at(at) for at in near))
    elif isinstance(asked, dict) and isinstance(chosen, dict):
        # In the order of the request, on which the axes that are looked at depend, and not in that of a set.
        for key in (one for one in asked if one in chosen):
            yield from _neighbourhoods(asked[key], chosen[key], (*place, key))
    elif isinstance(asked, list) and isinstance(chosen, list) and len(asked) == len(chosen):
        for at, (one, other) in enumerate(zip(asked, chosen, strict=True)):
            yield from _neighbourhoods(one, other, (*place, at))


def _digit(values: Any, value: float) -> int:
    """Return the place of a value on its axis, by halves: an axis may have a million."""
    low, high = 0, values.count - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if values.at(middle) < value else (low, middle)
    return low


def _with_values(strategy: Mapping[str, Any], values: Mapping[Place, Sequence[float]]) -> dict[str, Any]:
    """Return the request of a strategy with some of its numbers made axes."""
    asked: Any = deepcopy(dict(strategy))
    for place, several in values.items():
        part = asked
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = {"values": list(several)}
    return dict(asked)


def _names(strategy: Mapping[str, Any], places: Sequence[Place]) -> tuple[str, ...]:
    """Return the names of the parameters at these places."""
    marked = _with_values(strategy, dict.fromkeys(places, (0.0,)))
    return tuple(name for name, value in parameters(marked).items() if isinstance(value, dict))


def _totals(bars: Bars, asked: Mapping[str, Any], defaults: BacktestSettings) -> list[int]:
    """Return the sum of the row of each variant of a small request; 0 of one that never traded."""
    grid = VariantGrid(resolve(BacktestRequest.model_validate(asked), defaults))
    planes = engine.Planes.over([engine.planes_of(bars, grid, 0, grid.planes, defaults.warmup_bars)])
    own, prices = planes.plane_grid(grid), engine.prices_of(bars, grid)
    if grid.has_stage_b:
        bases: NDArray[np.int64] = np.arange(grid.radix.size)
        tables = engine.all_tables(bars, grid, planes)
        outcomes = engine.outcomes_under(bars, grid, own, tables, bases, 0, grid.size, prices)
    else:
        outcomes = engine.outcomes_of(bars, grid, own, 0, grid.size, prices)
    totals: list[int] = outcomes.rows.sum(axis=1, dtype=np.int64).tolist()
    return totals
