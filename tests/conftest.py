"""What several test modules need."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings

from candleray.stores.clickhouse import CandleStore
from candleray.stores.postgres import Postgres as PostgresStore
from candleray.stores.users import Users
from cluster.data_folder import DataFolder
from cluster.postgres import Postgres
from cluster.service import EmbeddedService
from cluster.valkey import Valkey

# A busy machine is slow, not wrong.
settings.register_profile("candleray", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("candleray")

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


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An embedded Postgres of this test process."""
    with _running(Postgres) as url:
        yield url


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[PostgresStore]:
    """A connection to it, its schema up to date."""
    store = await PostgresStore.open(postgres_url)
    yield store
    await store.close()


@pytest.fixture
async def user_id(postgres: PostgresStore) -> UUID:
    """A user whom no other test knows."""
    return (await Users(postgres).known(uuid4().int >> 66)).user_id


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """An embedded Valkey of this test process."""
    with _running(Valkey) as url:
        yield url


@contextmanager
def _running(service_class: type[EmbeddedService]) -> Iterator[str]:
    # Not below pytest's own folder: as root, the account that Postgres runs under could not enter that.
    folder = DataFolder(Path(tempfile.mkdtemp(prefix="candleray-test-", dir="/tmp")))
    folder.path.chmod(0o711)
    folder.prepare()
    service = service_class(folder)
    try:
        service.start()
        yield service.url
    finally:
        service.stop()
        folder.forget_run_dirs()
        shutil.rmtree(folder.path, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--oracle-variants", type=int, default=3, help="variants of the real grid held against the oracle"
    )
    parser.addoption(
        "--oracle-cases", type=int, default=1500, help="seeded cases of stops held against the oracle"
    )
    parser.addoption("--fault-rounds", type=int, default=1, help="random moments at which each part is killed")


@pytest.fixture(scope="session")
def fault_rounds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fault-rounds"))


@pytest.fixture(scope="session")
def oracle_cases(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--oracle-cases"))


@pytest.fixture(scope="session")
def oracle_variants(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--oracle-variants"))
