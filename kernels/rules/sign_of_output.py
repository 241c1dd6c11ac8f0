"""The output's sign: for what swings around zero."""

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOATS, jit


@jit(FLOATS, FLAGS_OUT, FLAGS_OUT)
def kernel(output, long, short):
    for t in range(output.size):
        long[t] = output[t] > 0.0
        short[t] = output[t] < 0.0


FAMILY = RuleFamily(
    title="Sign of output",
    meaning="Long while the output is above zero, short while it is below.",
    kernel=kernel,
    columns=(),
    outputs=("output",),
)
