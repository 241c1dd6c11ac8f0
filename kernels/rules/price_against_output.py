"""Trend following: the close above the output is long, below it short."""

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOATS, jit


@jit(FLOATS, FLOATS, FLAGS_OUT, FLAGS_OUT)
def kernel(close, output, long, short):
    for t in range(close.size):
        long[t] = close[t] > output[t]
        short[t] = close[t] < output[t]


FAMILY = RuleFamily(
    title="Price against output",
    meaning="Long while the close is above the output, short while it is below.",
    kernel=kernel,
    columns=("close",),
    outputs=("output",),
)
