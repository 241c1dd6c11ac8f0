"""An assistant at an API of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.agents.assistant import Assistant, assistant_at


@pytest.fixture
async def assistant(api_url: str) -> AsyncIterator[Assistant]:
    async with assistant_at(api_url) as one:
        yield one
