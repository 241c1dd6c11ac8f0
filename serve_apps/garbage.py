"""What a replica is built of stays until it ends: no collection of garbage looks at it again.

A quarter of a million objects (routes, models of every indicator): a full collection stops the loop, and everybody
who waits for an answer, for 170 ms of one CPU. With these set apart it takes none.
"""

from __future__ import annotations

import gc


def set_apart() -> None:
    """Leave everything that exists now to the end of the process."""
    gc.collect()
    gc.freeze()
