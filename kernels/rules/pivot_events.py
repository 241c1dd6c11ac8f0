"""Turning points, on the bar that confirms them: outputs that hold a value there and NaN elsewhere."""

import math

from kernels.comparisons import OCTET, OCTETS_OUT, above, below
from kernels.declare import RuleFamily
from kernels.jit import FLOATS, INT, inline, jit


@inline
def _finite(series, t):
    return above(series, -math.inf, t) & below(series, math.inf, t)


@jit(FLOATS, FLOATS, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(pivot_low, pivot_high, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        long[octet], short[octet] = _finite(pivot_low, t), _finite(pivot_high, t)


FAMILY = RuleFamily(
    title="Pivot events",
    meaning="Long on the bar that confirms a pivot low, short on the bar that confirms a pivot high.",
    kernel=kernel,
    columns=(),
    outputs=("pivot_low", "pivot_high"),
)
