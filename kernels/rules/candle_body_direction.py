"""The candle's own direction: for outputs that measure the strength of a candle."""

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOAT, FLOATS, jit


@jit(FLOATS, FLOATS, FLOATS, FLOAT, FLAGS_OUT, FLAGS_OUT)
def kernel(open_, close, output, min_strength, long, short):
    for t in range(close.size):
        strong = output[t] >= min_strength
        long[t] = strong and close[t] > open_[t]
        short[t] = strong and close[t] < open_[t]


FAMILY = RuleFamily(
    title="Candle body direction",
    meaning="Where the output reaches the least strength: long on a candle that rose, short on one that fell.",
    kernel=kernel,
    columns=("open", "close"),
    outputs=("strength",),
    params={"min_strength": "the least output that counts"},
)
