"""Money Flow Index: the share of the money that flowed while price rose, 0 to 100; an RSI of volume.

    flow[t] = price[t] · volume[t], price = (high + low + close) / 3
    gain    = flow where the price rose from the bar before, loss = flow where it fell, 0 elsewhere
    mfi[t]  = 100 · Σ gain / (Σ gain + Σ loss), sums over the last `window` bars

The first value stands at index `window`: the first bar has no bar before it. Prices are equal when they differ
by rounding alone, less than 1e-14 of the price, as in TA-Lib: a third of a sum is seldom exact. Where no money
moved either way it is 50, the middle; TA-Lib says 0 there, which would read as deeply oversold, and before
0.8.1 wherever less than one unit of money moved. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._sums import fold, no_tails, slide
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT)
def kernel(high, low, close, volume, window, out):
    gains, losses = no_tails(window), no_tails(window)
    previous = np.nan
    for start in range(0, close.size, window):
        gain = loss = 0.0
        for t in range(start, min(start + window, close.size)):
            price = (high[t] + low[t] + close[t]) / 3.0
            flow = price * volume[t]
            change = price - previous
            # NaN where a volume is unknown or there is no bar before, else nothing.
            unknown = (change + volume[t]) * 0.0
            rounding = 1e-14 * price
            previous = price
            risen = (flow if change > rounding else 0.0) + unknown
            fallen = (flow if change < -rounding else 0.0) + unknown
            gain, all_gain = slide(gains, t - start, gain, risen)
            loss, all_loss = slide(losses, t - start, loss, fallen)
            both = all_gain + all_loss
            out[t] = 100.0 * (all_gain / both) if both != 0.0 else 50.0
        fold(gains)
        fold(losses)


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], volume: Sequence[float], window: int
) -> list[list[float]]:
    price = [(high[t] + low[t] + close[t]) / 3 for t in range(len(close))]
    flow = [price[t] * volume[t] for t in range(len(close))]
    out = [math.nan] * len(close)
    for t in range(window, len(close)):
        bars = range(t - window + 1, t + 1)
        if not all(math.isfinite(value) for value in (price[t - window], *(flow[bar] for bar in bars))):
            continue
        moved = [bar for bar in bars if not math.isclose(price[bar], price[bar - 1], rel_tol=1e-14)]
        gain = sum(flow[bar] for bar in moved if price[bar] > price[bar - 1])
        loss = sum(flow[bar] for bar in moved if price[bar] < price[bar - 1])
        out[t] = 100 * gain / (gain + loss) if gain + loss else 50.0
    return [out]


INDICATOR = Indicator(
    title="Money Flow Index",
    source="Quong & Soudack 1989, Technical Analysis of Stocks & Commodities; TA-Lib MFI",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",), "volume": ("volume",)},
    outputs=("mfi",),
    params={"window": Param("int", 14, 2, 5_000, 1, (7, 28, 7), "bars of both sums")},
    lookback=lambda window: window,
    bounds={"mfi": (0.0, 100.0)},
    fills=True,
    rule=Rule(
        "threshold_band",
        outputs=("mfi",),
        params={
            "long_threshold": Param("float", 20, 0, 100, 0.5, (10, 30, 5), "long at or below: oversold"),
            "short_threshold": Param("float", 80, 0, 100, 0.5, (70, 90, 5), "short at or above: overbought"),
        },
    ),
    example=Example(
        inputs={
            "high": (1.0, 2.0, 3.0, 2.0),
            "low": (1.0, 2.0, 3.0, 2.0),
            "close": (1.0, 2.0, 3.0, 2.0),
            "volume": (10.0, 10.0, 10.0, 15.0),
        },
        params={"window": 2},
        expected={"mfi": (math.nan, math.nan, 100.0, 50.0)},
    ),
)
