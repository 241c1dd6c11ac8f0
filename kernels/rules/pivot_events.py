"""Turning points, on the bar that confirms them: outputs that hold a value there and NaN elsewhere."""

import numpy as np

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOATS, jit


@jit(FLOATS, FLOATS, FLAGS_OUT, FLAGS_OUT)
def kernel(pivot_low, pivot_high, long, short):
    for t in range(pivot_low.size):
        long[t] = np.isfinite(pivot_low[t])
        short[t] = np.isfinite(pivot_high[t])


FAMILY = RuleFamily(
    title="Pivot events",
    meaning="Long on the bar that confirms a pivot low, short on the bar that confirms a pivot high.",
    kernel=kernel,
    columns=(),
    outputs=("pivot_low", "pivot_high"),
)
