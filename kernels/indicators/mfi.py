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
from kernels.indicators._sums import rows_for, stretch_of, sum_phase, window_sums
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT)
def kernel(high, low, close, volume, window, out):
    stretch = stretch_of(window)
    rows, spare = rows_for(5, window), rows_for(2, window)
    prices, gains, losses, risen, fallen = rows[0], rows[1], rows[2], rows[3], rows[4]
    out[:window] = np.nan
    for start in range(1, close.size - window + 1, stretch):
        stop = min(start + stretch + window - 1, close.size)
        tops, bottoms, lasts = high[start - 1 : stop], low[start - 1 : stop], close[start - 1 : stop]
        for i in range(lasts.size):
            prices[i] = (tops[i] + bottoms[i] + lasts[i]) / 3.0
        volumes, current = volume[start:stop], prices[1:]
        for i in range(volumes.size):
            price, traded = current[i], volumes[i]
            change, rounding, flow = price - prices[i], 1e-14 * price, price * traded
            # NaN where something is unknown, else nothing.
            unknown = (change + traded) * 0.0
            gains[i] = (flow if change > rounding else 0.0) + unknown
            losses[i] = (flow if change < -rounding else 0.0) + unknown
        shares = out[start + window - 1 : stop]
        window_sums(gains[: volumes.size], window, spare, risen[: shares.size])
        window_sums(losses[: volumes.size], window, spare, fallen[: shares.size])
        for i in range(shares.size):
            both = risen[i] + fallen[i]
            shares[i] = 100.0 * (risen[i] / both) if both != 0.0 else 50.0


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
    phase=lambda window: sum_phase(window),
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
    version=2,
)
