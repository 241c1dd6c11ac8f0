"""Memory of planes that were let go: written again, never while anybody still reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from candleray.search.engine import planes_of
from candleray.search.signals import plane_memory
from candleray.search.signals.plane_memory import LEAST_BYTES, room_for
from candleray.search.variants import VariantGrid
from tests.support.sample_search import CANDLES, WARMUP, resolved
from tests.support.searches import bars_over

WORDS = LEAST_BYTES // 8
ENOUGH = (2, 1, WORDS)


@pytest.fixture(autouse=True)
def _nothing_spare() -> Iterator[None]:
    plane_memory._spare.clear()
    yield
    plane_memory._spare.clear()


def test_planes_take_the_memory_of_those_that_were_let_go():
    planes = room_for(ENOUGH)
    place = planes.ctypes.data
    planes[...] = 7
    del planes
    assert room_for(ENOUGH).ctypes.data == place
    assert room_for((1, 1, WORDS)).ctypes.data == place  # as do fewer


def test_memory_is_not_written_again_while_a_part_of_it_is_read():
    planes = room_for(ENOUGH)
    part = np.split(planes, [1])[1].reshape(-1)[5:9]
    part[:] = 7
    del planes
    others = room_for(ENOUGH)
    others[...] = 0
    assert part.tolist() == [7, 7, 7, 7]


def test_memory_that_is_too_small_is_given_back():
    room_for((1, 1, WORDS))
    assert len(plane_memory._spare) == 1
    planes = room_for(ENOUGH)
    assert not plane_memory._spare
    planes[...] = 7  # all of it is there


def test_few_planes_come_from_the_allocator():
    room_for((1, 1, WORDS - 1))
    assert not plane_memory._spare


def test_a_kernel_that_takes_no_advice_gives_memory_all_the_same(monkeypatch: pytest.MonkeyPatch):
    for name in ("MADV_HUGEPAGE", "MADV_FREE"):
        monkeypatch.setattr(plane_memory.mmap, name, 12_345)
    room_for(ENOUGH)[...] = 7
    assert len(plane_memory._spare) == 1


def test_planes_do_not_depend_on_what_their_memory_held(monkeypatch: pytest.MonkeyPatch):
    averages = {"fast": ema([3, 5]), "slow": ema([20, 30])}
    crossed = {"cross_above": ["fast", "slow"]}
    signals = {"long_entry": {"all": [crossed, {"rising": ["fast", 2]}]}, "long_exit": {"not": crossed}}
    request = resolved(indicators=None, let=averages, signals=signals, direction="long-only")
    bars, grid = bars_over(CANDLES, request, WARMUP), VariantGrid(request)
    planes = planes_of(bars, grid, 0, grid.planes, WARMUP)
    monkeypatch.setattr(plane_memory, "LEAST_BYTES", 0)
    room_for(planes.shape)[...] = 0x5555_5555_5555_5555
    assert plane_memory._spare
    np.testing.assert_array_equal(planes_of(bars, grid, 0, grid.planes, WARMUP), planes)


def ema(windows: list[int]) -> dict[str, Any]:
    return {"id": "ema", "params": {"window": {"values": windows}}}
