"""Linearly weighted moving average: the name MetaTrader gives the weighted moving average.

    lwma[t] = (window · x[t] + (window - 1) · x[t-1] + … + 1 · x[t-window+1]) / (window · (window + 1) / 2)

It is `wma` in everything but the name, and runs its kernel: a search over both tries each variant twice. First
value and NaN policy are those of `wma`.
"""

from dataclasses import replace

from kernels.declare import Example, Rule
from kernels.indicators.wma import INDICATOR as WMA

INDICATOR = replace(
    WMA,
    title="Linearly Weighted Moving Average",
    source="MetaTrader, moving average method Linear Weighted; equal to TA-Lib WMA",
    outputs=("lwma",),
    rule=Rule("price_against_output", outputs=("lwma",)),
    example=Example(WMA.example.inputs, WMA.example.params, {"lwma": WMA.example.expected["wma"]}),
    version=2,
)
