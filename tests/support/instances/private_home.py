"""A home of its own for what the commands keep of a person: logins and last answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pytest


@contextmanager
def private_home() -> Iterator[None]:
    """Keep it out of the home of whoever runs this; processes that are started inherit it."""
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CONFIG_HOME", home)
        environment.setenv("XDG_STATE_HOME", home)
        environment.delenv("CANDLERAY_TOKEN", raising=False)
        yield
