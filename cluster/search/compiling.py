"""Kernels of indicators, compiled as a step of its own before the first search that uses them.

Without it each task of the first phase would compile them, unseen, for up to 19 s. What a machine has compiled is
in its cache; a process asks once for each indicator, some hundredths of a second where all is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from candleray.backtests.phase import Phase
from candleray.search.bars import Bars
from candleray.search.variants import VariantGrid
from cluster.search import tasks
from cluster.search.tasks import cancel, submit

SOON_S = 1.0
"""Kernels that are in the cache are loaded sooner."""

FEW_BARS = 256

_there: set[str] = set()
"""Indicators whose kernels this process has waited for."""


async def compile_kernels(
    grid: VariantGrid, bars: Bars, default_warmup: int, begin: Callable[[Phase], None]
) -> None:
    """Wait until the kernels of the grid's indicators are in the cache; the phase begins where that takes long."""
    wanted = {indicator.id for indicator in grid.request.named_indicators}
    if wanted <= _there:
        return
    ref = submit(Phase.COMPILE, tasks.compile_planes, bars.head(FEW_BARS), grid.request, default_warmup)
    try:
        compiling = asyncio.wrap_future(ref.future())
        done, _ = await asyncio.wait({compiling}, timeout=SOON_S)
        if not done:
            begin(Phase.COMPILE)
        await compiling
    except BaseException:
        cancel([ref])
        raise
    _there.update(wanted)
