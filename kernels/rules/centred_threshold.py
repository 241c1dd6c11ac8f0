"""Strength away from a centre: for momentum that swings around a middle value."""

from kernels.comparisons import OCTET, OCTETS_OUT, above, below
from kernels.declare import RuleFamily
from kernels.jit import FLOAT, FLOATS, INT, jit


@jit(FLOATS, FLOAT, FLOAT, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(output, centre, threshold, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        long[octet], short[octet] = above(output, centre + threshold, t), below(output, centre - threshold, t)


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
