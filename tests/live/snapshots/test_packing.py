"""Snapshots as bytes: whole and their owner's, or refused."""

from __future__ import annotations

import random

import numpy as np
import pytest

from candleray.live.snapshots.packing import BrokenSnapshot, Tree, pack, unpack

TREE: Tree = {
    "lanes": [{"position_ms": 1_735_689_600_000, "since": None, "name": "1m"}],
    "values": [np.array([[1.5, np.nan, -0.0], [np.inf, 5e-324, 0.1]]), np.empty((5, 0))],
    "state": {"seen": 7, "bytes": np.arange(5, dtype=np.uint8), "stamps": np.array([-1, 2**62])},
}


def test_a_tree_comes_back_with_every_bit_and_its_arrays_cannot_be_changed():
    found = unpack(pack(TREE, "mine"), "mine")
    assert found["lanes"] == TREE["lanes"]
    assert found["state"]["seen"] == 7
    pairs = [*zip(found["values"], TREE["values"], strict=True)]
    pairs += [(found["state"][name], TREE["state"][name]) for name in ("bytes", "stamps")]
    for one, other in pairs:
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
        assert not one.flags.writeable
        assert one.ctypes.data % 8 == 0


def test_what_is_cut_short_changed_or_somebody_elses_is_refused():
    whole, draw = pack(TREE, "mine"), random.Random(1)
    for _ in range(200):
        at = draw.randrange(len(whole))
        changed = whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :]
        for broken in (whole[:at], changed, whole + bytes(at + 1)):
            with pytest.raises(BrokenSnapshot, match="bytes are not the whole snapshot of mine"):
                unpack(broken, "mine")
    with pytest.raises(BrokenSnapshot, match="of yours"):
        unpack(whole, "yours")


@pytest.mark.parametrize("part", [1.5, {1, 2}, np.array([1, 2], np.int32), b"x"])
def test_a_tree_of_anything_else_is_not_packed(part: object):
    with pytest.raises(TypeError, match="a snapshot holds no"):
        pack({"part": part}, "mine")
