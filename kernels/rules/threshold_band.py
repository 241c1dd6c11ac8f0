"""Oversold and overbought: for bounded oscillators."""

from kernels.comparisons import OCTET, OCTETS_OUT, at_least, at_most
from kernels.declare import RuleFamily
from kernels.jit import FLOAT, FLOATS, INT, jit


@jit(FLOATS, FLOAT, FLOAT, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(output, long_threshold, short_threshold, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        long[octet], short[octet] = at_most(output, long_threshold, t), at_least(output, short_threshold, t)


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
