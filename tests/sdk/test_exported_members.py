"""The public surface of `candleray`: what is exported is there, and nothing else is."""

from __future__ import annotations

import candleray
from candleray.errors import Problem, error_classes


def test_everything_exported_is_there_and_every_error_is_exported():
    errors = {cls.__name__ for cls in error_classes().values() if cls.__module__ == "candleray.errors"}
    assert set(candleray.__all__) == {"Client", "Problem", "__version__"} | errors
    assert all(getattr(candleray, name) is not None for name in candleray.__all__)
    assert candleray.Problem is Problem
    assert dir(candleray) == candleray.__all__ == sorted(candleray.__all__)


def test_an_unknown_member_is_an_attribute_error():
    assert not hasattr(candleray, "Klient")
