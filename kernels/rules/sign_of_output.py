"""The output's sign: for what swings around zero."""

from kernels.comparisons import OCTET, OCTETS_OUT, above, below
from kernels.declare import RuleFamily
from kernels.jit import FLOATS, INT, jit


@jit(FLOATS, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(output, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        long[octet], short[octet] = above(output, 0.0, t), below(output, 0.0, t)


FAMILY = RuleFamily(
    title="Sign of output",
    meaning="Long while the output is above zero, short while it is below.",
    kernel=kernel,
    columns=(),
    outputs=("output",),
)
