"""Oversold and overbought: for bounded oscillators."""

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOAT, FLOATS, jit


@jit(FLOATS, FLOAT, FLOAT, FLAGS_OUT, FLAGS_OUT)
def kernel(output, long_threshold, short_threshold, long, short):
    for t in range(output.size):
        long[t] = output[t] <= long_threshold
        short[t] = output[t] >= short_threshold


FAMILY = RuleFamily(
    title="Threshold band",
    meaning="Long while the output is at or below the long threshold, short while at or above the short one.",
    kernel=kernel,
    columns=(),
    outputs=("output",),
    params={
        "long_threshold": "long at or below this value",
        "short_threshold": "short at or above this value",
    },
)
