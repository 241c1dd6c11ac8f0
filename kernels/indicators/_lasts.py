"""The last value of a series, kept in two floats of a state; NaN before the first one.

A history begins with zeros, and 0 may be a value: the second float says if there is one.
"""

import numpy as np

from kernels.jit import inline

LAST_STATE = 2


@inline
def last_of(state):
    return state[0] if state[1] != 0.0 else np.nan


@inline
def keep_last(last, state):
    state[0], state[1] = last, not np.isnan(last)
