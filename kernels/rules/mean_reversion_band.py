"""Back to the middle: the close outside a band is expected to return."""

from kernels.comparisons import OCTET, OCTETS_OUT, above, below
from kernels.declare import RuleFamily
from kernels.jit import FLOATS, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(close, lower, upper, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        long[octet], short[octet] = below(close, lower, t), above(close, upper, t)


FAMILY = RuleFamily(
    title="Mean reversion against a band",
    meaning="Long while the close is below the lower band, short while it is above the upper one.",
    kernel=kernel,
    columns=("close",),
    outputs=("lower", "upper"),
)
