"""Volume that confirms a candle: volume has no direction of its own, so the candle's body gives it."""

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOATS, jit


@jit(FLOATS, FLOATS, FLOATS, FLOATS, FLAGS_OUT, FLAGS_OUT)
def kernel(open_, close, volume, output, long, short):
    for t in range(close.size):
        busy = volume[t] > output[t]
        long[t] = busy and close[t] > open_[t]
        short[t] = busy and close[t] < open_[t]


FAMILY = RuleFamily(
    title="Volume against output",
    meaning="Where volume is above the output: long on a candle that rose, short on one that fell.",
    kernel=kernel,
    columns=("open", "close", "volume"),
    outputs=("output",),
)
