"""Ichimoku cloud: middles of three windows, two of them drawn ahead as a cloud that price is held against.

    middle(w)[t]   = (highest high + lowest low of the last w bars) / 2
    tenkan[t]      = middle(tenkan_window)[t], kijun[t] = middle(kijun_window)[t]
    senkou_a[t]    = (tenkan[s] + kijun[s]) / 2, senkou_b[t] = middle(senkou_window)[s], s = t - (displacement - 1)
    cloud_distance = how far the close is above the cloud between both senkou; negative below it, 0 inside

The senkou of a bar are those drawn over it, computed `displacement - 1` bars before: drawing counts the bar it
starts from. The chikou span is the close drawn back, over bars that could not know it, and is left out. Every
output begins with the last, at index `senkou_window + displacement - 2`. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import channel
from kernels.jit import FLOATS, FLOATS_OUT, INT, inline, jit, record_of


class Cloud(NamedTuple):
    tenkan: NDArray[np.float64]
    kijun: NDArray[np.float64]
    senkou_a: NDArray[np.float64]
    senkou_b: NDArray[np.float64]
    cloud_distance: NDArray[np.float64]


CLOUD = record_of(Cloud, *[FLOATS_OUT] * len(Cloud._fields))


@inline
def _middle(high, low, window, out, lows):
    channel(high, low, window, out, lows)
    for t in range(window - 1, out.size):
        out[t] = 0.5 * (out[t] + lows[t])


@jit(FLOATS, FLOATS, FLOATS, INT, INT, INT, INT, CLOUD)
def kernel(high, low, close, tenkan_window, kijun_window, senkou_window, displacement, cloud):
    tenkan, kijun, cloud_distance = cloud.tenkan, cloud.kijun, cloud.cloud_distance
    senkou_a, senkou_b = cloud.senkou_a, cloud.senkou_b
    _middle(high, low, tenkan_window, tenkan, cloud_distance)
    _middle(high, low, kijun_window, kijun, cloud_distance)
    _middle(high, low, senkou_window, senkou_b, cloud_distance)
    ahead = displacement - 1
    for t in range(close.size - 1, ahead - 1, -1):
        senkou_a[t] = 0.5 * (tenkan[t - ahead] + kijun[t - ahead])
        senkou_b[t] = senkou_b[t - ahead]
    run = 0
    for t in range(close.size):
        run = run + 1 if math.isfinite(high[t] - low[t] + close[t]) else 0
        if run < senkou_window + ahead:
            tenkan[t] = kijun[t] = senkou_a[t] = senkou_b[t] = cloud_distance[t] = math.nan
            continue
        above = close[t] - max(senkou_a[t], senkou_b[t])
        below = close[t] - min(senkou_a[t], senkou_b[t])
        cloud_distance[t] = above if above > 0.0 else min(below, 0.0)


def reference(
    high: Sequence[float],
    low: Sequence[float],
    close: Sequence[float],
    tenkan_window: int,
    kijun_window: int,
    senkou_window: int,
    displacement: int,
) -> list[list[float]]:
    outputs = [[math.nan] * len(close) for _ in Cloud._fields]

    def middle(window: int, t: int) -> float:
        return (max(high[t - window + 1 : t + 1]) + min(low[t - window + 1 : t + 1])) / 2

    needed = senkou_window + displacement - 1
    for t in range(needed - 1, len(close)):
        bars = slice(t - needed + 1, t + 1)
        if not all(math.isfinite(price) for prices in (high, low, close) for price in prices[bars]):
            continue
        drawn = t - displacement + 1
        a = (middle(tenkan_window, drawn) + middle(kijun_window, drawn)) / 2
        b = middle(senkou_window, drawn)
        inside = min(a, b) <= close[t] <= max(a, b)
        distance = 0.0 if inside else close[t] - (max(a, b) if close[t] > max(a, b) else min(a, b))
        values = (middle(tenkan_window, t), middle(kijun_window, t), a, b, distance)
        for out, value in zip(outputs, values, strict=True):
            out[t] = value
    return outputs


def _disorder(tenkan_window: int, kijun_window: int, senkou_window: int, displacement: int) -> str | None:
    if tenkan_window < kijun_window < senkou_window:
        return None
    return (
        "tenkan_window must be less than kijun_window, and that less than senkou_window: "
        f"got {tenkan_window}, {kijun_window}, {senkou_window}"
    )


INDICATOR = Indicator(
    title="Ichimoku Cloud",
    source="Hosoda 1969, Ichimoku Kinko Hyo; TradingView Ichimoku Cloud",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=Cloud._fields,
    outputs_type=Cloud,
    params={
        "tenkan_window": Param("int", 9, 2, 5_000, 1, (6, 12, 3), "bars of the conversion line"),
        "kijun_window": Param("int", 26, 3, 10_000, 1, (20, 30, 2), "bars of the base line"),
        "senkou_window": Param("int", 52, 4, 20_000, 1, (40, 60, 4), "bars of the cloud's slower edge"),
        "displacement": Param("int", 26, 1, 5_000, 1, (26, 26, 1), "bars the cloud is drawn ahead, its own too"),
    },
    lookback=lambda tenkan_window, kijun_window, senkou_window, displacement: senkou_window + displacement - 2,
    constraint=_disorder,
    rule=Rule("sign_of_output", outputs=("cloud_distance",)),
    example=Example(
        inputs={
            "high": (2.0, 4.0, 6.0, 8.0, 10.0, 12.0),
            "low": (0.0, 2.0, 4.0, 6.0, 8.0, 10.0),
            "close": (1.0, 3.0, 5.0, 7.0, 9.0, 2.0),
        },
        params={"tenkan_window": 2, "kijun_window": 3, "senkou_window": 4, "displacement": 2},
        expected={
            "tenkan": (*[math.nan] * 4, 8.0, 10.0),
            "kijun": (*[math.nan] * 4, 7.0, 9.0),
            "senkou_a": (*[math.nan] * 4, 5.5, 7.5),
            "senkou_b": (*[math.nan] * 4, 4.0, 6.0),
            "cloud_distance": (*[math.nan] * 4, 3.5, -4.0),
        },
    ),
)
