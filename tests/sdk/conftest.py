"""Fixtures of the SDK's tests."""

from __future__ import annotations

import pytest

from candleray.sdk import connection


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is tried again be tried at once."""
    monkeypatch.setattr(connection, "RETRY_DELAYS_S", (0.0, 0.0, 0.0))
