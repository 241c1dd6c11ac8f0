"""One content, one hash (design: hashes)."""

from __future__ import annotations

import numpy as np
import pytest

from candleray.candles import Candles
from candleray.hashes import candles_hash, canonical_json, content_hash


def test_the_order_of_keys_and_the_spelling_of_numbers_do_not_matter():
    assert content_hash({"a": 5, "b": [1.0, 2]}) == content_hash({"b": [1, 2.0], "a": 5.0})


def test_another_content_has_another_hash():
    assert content_hash({"a": 5}) != content_hash({"a": 5.1})


def test_floats_take_their_shortest_form():
    assert canonical_json({"a": 0.1 + 0.2, "b": 0.075}) == b'{"a":0.30000000000000004,"b":0.075}'


def test_true_is_not_one():
    assert canonical_json([True, 1]) == b"[true,1]"


def test_nan_has_no_canonical_form():
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": float("nan")})


def test_candles_hash_names_stamps_and_values():
    candles = Candles(np.array([0, 60_000]), np.ones((5, 2)))
    later = Candles(np.array([0, 120_000]), np.ones((5, 2)))
    other = Candles(np.array([0, 60_000]), np.full((5, 2), 2.0))
    assert len({candles_hash(one) for one in (candles, later, other)}) == 3


def test_candles_hash_is_the_same_for_a_view():
    whole = Candles(np.arange(4) * 60_000, np.arange(20.0).reshape(5, 4))
    part = whole.between(60_000, 180_000)
    copy = Candles(part.ts_open_ms.copy(), part.values.copy())
    assert candles_hash(part) == candles_hash(copy)
