"""Rising or falling: for outputs whose level says little and whose direction says much."""

from kernels.comparisons import OCTET, OCTETS_OUT, fallen, risen
from kernels.declare import RuleFamily
from kernels.jit import FLOATS, INT, jit


@jit(FLOATS, INT, INT, INT, OCTETS_OUT, OCTETS_OUT)
def kernel(output, long_delta_periods, short_delta_periods, start, long, short):
    for octet in range(long.size):
        t = start + OCTET * octet
        long[octet], short[octet] = risen(output, long_delta_periods, t), fallen(output, short_delta_periods, t)


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
