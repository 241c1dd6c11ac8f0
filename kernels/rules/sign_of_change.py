"""Rising or falling: for outputs whose level says little and whose direction says much."""

from kernels.declare import RuleFamily
from kernels.jit import FLAGS_OUT, FLOATS, INT, jit


@jit(FLOATS, INT, INT, FLAGS_OUT, FLAGS_OUT)
def kernel(output, long_delta_periods, short_delta_periods, long, short):
    long[:long_delta_periods] = False
    for t in range(long_delta_periods, output.size):
        long[t] = output[t] > output[t - long_delta_periods]
    short[:short_delta_periods] = False
    for t in range(short_delta_periods, output.size):
        short[t] = output[t] < output[t - short_delta_periods]


FAMILY = RuleFamily(
    title="Sign of change",
    meaning="Long while the output is above its earlier value, short while it is below.",
    kernel=kernel,
    columns=(),
    outputs=("output",),
    params={
        "long_delta_periods": "bars back to the value that long compares with",
        "short_delta_periods": "bars back to the value that short compares with",
    },
    lookback=lambda long_delta_periods, short_delta_periods: max(long_delta_periods, short_delta_periods),
)
