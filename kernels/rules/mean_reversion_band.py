"""Back to the middle: the close outside a band is expected to return."""

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOATS, jit


@jit(FLOATS, FLOATS, FLOATS, FLAGS_OUT, FLAGS_OUT)
def kernel(close, lower, upper, long, short):
    for t in range(close.size):
        long[t] = close[t] < lower[t]
        short[t] = close[t] > upper[t]


FAMILY = RuleFamily(
    title="Mean reversion against a band",
    meaning="Long while the close is below the lower band, short while it is above the upper one.",
    kernel=kernel,
    columns=("close",),
    outputs=("lower", "upper"),
)
