"""Strength away from a centre: for momentum that swings around a middle value."""

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOAT, FLOATS, jit


@jit(FLOATS, FLOAT, FLOAT, FLAGS_OUT, FLAGS_OUT)
def kernel(output, centre, threshold, long, short):
    for t in range(output.size):
        long[t] = output[t] > centre + threshold
        short[t] = output[t] < centre - threshold


FAMILY = RuleFamily(
    title="Centred threshold",
    meaning="Long while the output is more than the threshold above the centre, short while as far below it.",
    kernel=kernel,
    columns=(),
    outputs=("output",),
    params={
        "centre": "the value the output swings around",
        "threshold": "how far from the centre a signal begins, not below zero",
    },
)
