"""A database that fails at one statement: what was written before it in the same step must not stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import StatementRefused


@contextmanager
def failing(postgres: Postgres, statement: str) -> Iterator[None]:
    """The block calls that named statement, and hears that it fails."""
    known = postgres._statements
    assert statement in known
    postgres._statements = {**known, statement: "SELECT 1/0"}
    try:
        with pytest.raises(StatementRefused):
            yield
    finally:
        postgres._statements = known
