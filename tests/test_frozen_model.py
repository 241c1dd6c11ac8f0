"""Models: built at their first use, safely among threads; described by the docstrings below their fields."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from candleray.frozen_model import FrozenModel
from candleray.validation import generated_model

THREADS = 16


class Leg(FrozenModel):
    symbol: str
    """The symbol, spelled by the exchange."""
    quantity: float = 1.0


class Pair(FrozenModel):
    long: Leg
    """The leg that gains when prices rise."""
    short: Leg


class NamedPair(Pair):
    name: str
    """A name for people."""


def test_a_model_is_built_when_it_is_first_used_and_with_it_the_models_in_it():
    class Outer(FrozenModel):
        inner: Leg

    assert not Outer.__pydantic_complete__
    Outer.model_validate({"inner": {"symbol": "BTCUSDT"}})
    assert Outer.__pydantic_complete__
    assert Leg.__pydantic_complete__


def test_a_model_is_frozen_and_refuses_unknown_fields():
    leg = Leg(symbol="BTCUSDT")
    with pytest.raises(ValidationError, match="frozen"):
        leg.quantity = 2.0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Leg.model_validate({"symbol": "BTCUSDT", "amount": 1})


class Slow:
    """A field type that takes a while to build, and counts how often it is."""

    built = 0

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        cls.built += 1
        time.sleep(0.2)
        return core_schema.int_schema()


class Slowly(FrozenModel):
    size: Slow


def test_threads_that_use_a_model_first_at_the_same_time_build_it_once_and_all_get_it_whole():
    start = Barrier(THREADS)

    def validate(size: int) -> dict[str, Any]:
        start.wait()
        return Slowly.model_validate({"size": size}).model_dump()

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(validate, range(THREADS))) == [{"size": size} for size in range(THREADS)]
    assert Slow.built == 1


def test_an_adapter_over_a_model_is_built_at_once():
    class Unused(FrozenModel):
        size: int

    TypeAdapter(list[Unused])
    assert Unused.__pydantic_complete__


def test_docstrings_below_fields_describe_them_in_schemas_of_subclasses_too():
    properties = NamedPair.model_json_schema()["properties"]
    assert properties["long"]["description"] == "The leg that gains when prices rise."
    assert properties["name"]["description"] == "A name for people."
    assert "description" not in properties["short"]


def test_a_generated_model_is_built_at_once_and_keeps_the_descriptions_it_does_not_replace():
    model = generated_model("NamedPair", NamedPair, name=(int, ...))
    assert model.__pydantic_complete__
    properties = model.model_json_schema()["properties"]
    assert properties["long"]["description"] == "The leg that gains when prices rise."
    assert "description" not in properties["name"]
