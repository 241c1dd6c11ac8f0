"""Trend following: the close above the output is long, below it short."""

from kernels.comparisons import OCTET, OCTETS_OUT, above, below
from kernels.declare import RuleFamily
from kernels.jit import FLOATS, INT, jit


@jit(FLOATS, FLOATS, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(close, output, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        long[octet], short[octet] = above(close, output, t), below(close, output, t)


FAMILY = RuleFamily(
    title="Price against output",
    meaning="Long while the close is above the output, short while it is below.",
    kernel=kernel,
    columns=("close",),
    outputs=("output",),
)
