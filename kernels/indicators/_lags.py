"""The parameters of the sign-of-change rule, for indicators that have no direction of their own."""

from kernels.declare import Param


def _lag(description: str) -> Param:
    return Param("int", 1, 1, 1_000, 1, (1, 20, 1), description)


LAGS = {
    "long_delta_periods": _lag("long while it is above its value this many bars ago"),
    "short_delta_periods": _lag("short while it is below its value this many bars ago"),
}
