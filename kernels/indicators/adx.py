"""Average Directional Index: how strong a trend is, 0 to 100, beside the two indicators that say which way.

    +dm[t] = high[t] - high[t-1] where that is positive and more than low[t-1] - low[t], else 0; -dm mirrored
    ±di[t] = 100 · S(±dm)[t] / S(tr)[t], S(x)[t] = S(x)[t-1] - S(x)[t-1] / window + x[t]
    dx[t]  = 100 · |+di - -di| / (+di + -di)
    adx[t] = adx[t-1] + (dx[t] - adx[t-1]) / window, first the mean of the first `window` dx

S begins as the plain sum of the first `window - 1` values, as in TA-Lib; tr is the true range. `directed_adx`
is the adx with the sign of the leading di: a threshold on it is Wilder's advice to trade with the leading di,
and only while the trend is strong. Every output begins with the adx, at index `2 · window - 1`. Where nothing
moved a di is 0, and a bar without a dx leaves the adx as it is (counts as 0 in the first mean). TA-Lib says
"nothing" for less than 1e-14, which depends on the currency. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._lasts import LAST_STATE, keep_last, last_of
from kernels.indicators._ranges import true_range
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit, record_of


class Lines(NamedTuple):
    adx: NDArray[np.float64]
    plus_di: NDArray[np.float64]
    minus_di: NDArray[np.float64]
    directed_adx: NDArray[np.float64]
    state: NDArray[np.float64]


LINES = record_of(Lines, *[FLOATS_OUT] * len(Lines._fields))


@jit(FLOATS, FLOATS, FLOATS, INT, LINES)
def kernel(high, low, close, window, lines):
    adx, plus_di, minus_di, directed_adx = lines.adx, lines.plus_di, lines.minus_di, lines.directed_adx
    averages, highs, lows, closes = lines.state, lines.state[5:], lines.state[7:], lines.state[9:]
    share = 1.0 / window
    plus, minus, reach, average = averages[0], averages[1], averages[2], averages[3]
    seen = int(averages[4])
    last_high, last_low, last_close = last_of(highs), last_of(lows), last_of(closes)
    for t in range(close.size):
        rise, fall = high[t] - last_high, last_low - low[t]
        moved = true_range(high[t], low[t], last_close)
        last_high, last_low, last_close = high[t], low[t], close[t]
        if not np.isfinite(moved + rise + fall):
            plus = minus = reach = average = 0.0
            seen = 0
            adx[t] = plus_di[t] = minus_di[t] = directed_adx[t] = np.nan
            continue
        seen += 1
        kept = 1.0 - share if seen >= window else 1.0
        plus = plus * kept + (rise if rise > fall and rise > 0.0 else 0.0)
        minus = minus * kept + (fall if fall > rise and fall > 0.0 else 0.0)
        reach = reach * kept + moved
        if seen < window:
            adx[t] = plus_di[t] = minus_di[t] = directed_adx[t] = np.nan
            continue
        both = plus + minus
        apart = 100.0 * (abs(plus - minus) / both) if both > 0.0 else np.nan
        if seen < 2 * window:
            average += apart if both > 0.0 else 0.0
            if seen < 2 * window - 1:
                adx[t] = plus_di[t] = minus_di[t] = directed_adx[t] = np.nan
                continue
            average /= window
        elif both > 0.0:
            average += (apart - average) * share
        adx[t] = average
        plus_di[t] = 100.0 * (plus / reach) if reach > 0.0 else 0.0
        minus_di[t] = 100.0 * (minus / reach) if reach > 0.0 else 0.0
        directed_adx[t] = average * np.sign(plus - minus)
    averages[0], averages[1], averages[2], averages[3], averages[4] = plus, minus, reach, average, seen
    keep_last(last_high, highs)
    keep_last(last_low, lows)
    keep_last(last_close, closes)


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], window: int
) -> list[list[float]]:
    outputs: list[list[float]] = [[math.nan] * len(close) for _ in range(4)]
    moves: list[tuple[float, float, float]] = []
    sums = [0.0, 0.0, 0.0]
    strengths: list[float | None] = []
    average = 0.0
    for t in range(1, len(close)):
        move = _move(high, low, close, t)
        if move is None:
            moves, strengths, sums = [], [], [0.0, 0.0, 0.0]
            continue
        moves.append(move)
        kept = 1 - 1 / window if len(moves) >= window else 1
        sums = [total * kept + value for total, value in zip(sums, move, strict=True)]
        if len(moves) < window:
            continue
        plus, minus = (100 * total / sums[2] if sums[2] else 0.0 for total in sums[:2])
        strength = 100 * abs(plus - minus) / (plus + minus) if plus + minus else None
        strengths.append(strength)
        if len(strengths) == window:
            average = sum(value or 0.0 for value in strengths) / window
        elif len(strengths) > window and strength is not None:
            average = (average * (window - 1) + strength) / window
        if len(strengths) >= window:
            sign = (plus > minus) - (plus < minus)
            for out, value in zip(outputs, (average, plus, minus, average * sign), strict=True):
                out[t] = value
    return outputs


def _move(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], t: int
) -> tuple[float, float, float] | None:
    """Compute both directional movements and the true range of a bar; None where one is unknown."""
    rise, fall = high[t] - high[t - 1], low[t - 1] - low[t]
    spans = (high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
    if not all(math.isfinite(value) for value in (rise, fall, *spans)):
        return None
    return (rise if rise > max(fall, 0) else 0.0, fall if fall > max(rise, 0) else 0.0, max(spans))


INDICATOR = Indicator(
    title="Average Directional Index",
    source="Wilder 1978, New Concepts in Technical Trading Systems; TA-Lib ADX, PLUS_DI, MINUS_DI",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("adx", "plus_di", "minus_di", "directed_adx"),
    outputs_type=Lines,
    params={"window": Param("int", 14, 2, 5_000, 1, (7, 28, 7), "bars of Wilder's averages")},
    lookback=lambda window: 2 * window - 1,
    state_size=lambda window: 5 + 3 * LAST_STATE,
    bounds={
        "adx": (0.0, 100.0),
        "plus_di": (0.0, 100.0),
        "minus_di": (0.0, 100.0),
        "directed_adx": (-100.0, 100.0),
    },
    fills=True,
    rule=Rule(
        "centred_threshold",
        outputs=("directed_adx",),
        params={
            "centre": Param("float", 0, -100, 100, 1, (0, 0, 1), "no trend either way"),
            "threshold": Param("float", 25, 0, 100, 1, (15, 35, 5), "the least strength of a trend to trade"),
        },
    ),
    example=Example(
        inputs={
            "high": (10.0, 12.0, 13.0, 12.0, 16.0),
            "low": (8.0, 10.0, 11.0, 8.0, 12.0),
            "close": (9.0, 11.0, 12.0, 9.0, 15.0),
        },
        params={"window": 2},
        expected={
            "adx": (math.nan, math.nan, math.nan, 75.0, 62.5),
            "plus_di": (math.nan, math.nan, math.nan, 100 / 5.75, 450 / 9.875),
            "minus_di": (math.nan, math.nan, math.nan, 300 / 5.75, 150 / 9.875),
            "directed_adx": (math.nan, math.nan, math.nan, -75.0, 62.5),
        },
    ),
)
