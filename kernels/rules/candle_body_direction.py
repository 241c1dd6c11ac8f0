"""The candle's own direction: for outputs that measure the strength of a candle."""

from kernels.comparisons import OCTET, OCTETS_OUT, above, at_least, below
from kernels.declare import RuleFamily
from kernels.jit import FLOAT, FLOATS, INT, jit


@jit(FLOATS, FLOATS, FLOATS, FLOAT, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(open_, close, output, min_strength, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        strong = at_least(output, min_strength, t)
        long[octet], short[octet] = strong & above(close, open_, t), strong & below(close, open_, t)


FAMILY = RuleFamily(
    title="Candle body direction",
    meaning="Where the output reaches the least strength: long on a candle that rose, short on one that fell.",
    kernel=kernel,
    columns=("open", "close"),
    outputs=("strength",),
    params={"min_strength": "the least output that counts"},
)
