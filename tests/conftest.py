"""What several test modules need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from candleray.stores.clickhouse import CandleStore

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real candles."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real candles: {SHARED_DATA} is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CandleStore]:
    """One migrated store a test process: the engine opens one path a process. Use symbols of your own."""
    store = CandleStore.open(f"chdb://{tmp_path_factory.mktemp('candles')}")
    store.migrate()
    yield store
    store.close()
