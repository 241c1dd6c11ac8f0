"""Volume that confirms a candle: volume has no direction of its own, so the candle's body gives it."""

from kernels.comparisons import OCTET, OCTETS_OUT, above, below
from kernels.declare import RuleFamily
from kernels.jit import FLOATS, INT, jit


@jit(FLOATS, FLOATS, FLOATS, FLOATS, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(open_, close, volume, output, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        busy = above(volume, output, t)
        long[octet], short[octet] = busy & above(close, open_, t), busy & below(close, open_, t)


FAMILY = RuleFamily(
    title="Volume against output",
    meaning="Where volume is above the output: long on a candle that rose, short on one that fell.",
    kernel=kernel,
    columns=("open", "close", "volume"),
    outputs=("output",),
)
