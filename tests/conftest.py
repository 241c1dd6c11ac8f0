"""Fixtures that several test modules need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings

from candleray.databases.postgres import Postgres as PostgresStore
from candleray.databases.valkey import Valkey
from candleray.identity.models import User
from candleray.market_data.candle_store import CandleStore
from tests import order
from tests.support import canaries, embedded
from tests.support.users import new_user

# A busy machine is slow, not wrong.
settings.register_profile("candleray", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("candleray")

CONTRACT_EXAMPLES = 8
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real candles."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real candles: {SHARED_DATA} is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def store_of_the_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CandleStore]:
    """One store a test process: the embedded engine opens one path a process."""
    store = CandleStore.open(f"chdb://{tmp_path_factory.mktemp('candles')}")
    yield store
    store.close()


@pytest.fixture(scope="module")
def embedded_store(store_of_the_process: CandleStore) -> CandleStore:
    """A migrated store without a candle, whichever modules this process has run before."""
    store_of_the_process.migrate()
    embedded.forget_candles(store_of_the_process)
    return store_of_the_process


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """An embedded Postgres of this test process."""
    return embedded.postgres_url()


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[PostgresStore]:
    """A connection to it, its schema up to date."""
    store = await PostgresStore.open(postgres_url)
    yield store
    await store.close()


@pytest.fixture
async def user(postgres: PostgresStore) -> User:
    """A user whom no other test knows."""
    return await new_user(postgres)


@pytest.fixture
async def user_id(user: User) -> UUID:
    return user.user_id


@pytest.fixture
async def stranger(postgres: PostgresStore) -> User:
    """Another one."""
    return await new_user(postgres)


@pytest.fixture(scope="session")
def valkey_url() -> str:
    """An embedded Valkey of this test process."""
    return embedded.valkey_url()


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Valkey]:
    """A connection to it."""
    store = await Valkey.open(valkey_url)
    yield store
    await store.close()


@pytest.fixture(scope="session", autouse=True)
def _private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tokens are kept here, not in the home of whoever runs the tests; processes we start inherit it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        environment.delenv("CANDLERAY_TOKEN", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _canaries(_private_home: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever ran, no secret came out of it anywhere; where one did, the run's last test is in error."""
    with canaries.watching():
        yield
    asyncio.run(canaries.dump(*embedded.started_urls()))
    leaks, told = canaries.found_leaks()
    canaries.forget()
    request.config.stash[CANARIES].append(told)
    assert leaks == [], "\n".join(leaks[:20])


CANARIES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CANARIES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: order.rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file on one process; groups by mark end with pytest 9.2 (xdist 3.8)."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByGroup(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return order.group_of(nodeid)

    return ByGroup(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    embedded.stop_services()
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["canaries"] = session.config.stash[CANARIES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process of pytest-xdist has ended."""
    node.config.stash[CANARIES] += getattr(node, "workeroutput", {}).get("canaries", [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for told in config.stash[CANARIES]:
        terminalreporter.write_line(f"canaries: {told}")
    if config.getoption("--contract-examples") > CONTRACT_EXAMPLES:
        reports = [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]
        told = [value for report in reports for name, value in report.user_properties if name == "contract"]
        for operation, statuses in sorted(told):
            succeeded = sum(number for status, number in statuses.items() if 200 <= int(status) < 300)
            share = f"{100 * succeeded / sum(statuses.values()):5.1f} % succeeded"
            terminalreporter.write_line(f"{operation:48} {share}  {statuses}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--oracle-variants", type=int, default=3, help="variants of the real grid held against the oracle"
    )
    parser.addoption(
        "--oracle-cases", type=int, default=1500, help="seeded cases of stops held against the oracle"
    )
    parser.addoption(
        "--paper-days", type=float, default=0.25, help="simulated days of a run on paper held against its backtest"
    )
    parser.addoption(
        "--order-kills", type=int, default=2, help="processes of orders that are killed at each venue"
    )
    parser.addoption(
        "--order-histories", type=int, default=12, help="random histories of orders at each hostile venue"
    )
    parser.addoption(
        "--chunk-cases", type=int, default=1, help="ways to cut the bars of each indicator into pieces"
    )
    parser.addoption(
        "--contract-examples",
        type=int,
        default=CONTRACT_EXAMPLES,
        help="requests made up for each operation of the API",
    )
    parser.addoption("--fault-rounds", type=int, default=1, help="random moments at which each part is killed")


@pytest.fixture(scope="session")
def fault_rounds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fault-rounds"))


@pytest.fixture(scope="session")
def contract_examples(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--contract-examples"))


@pytest.fixture(scope="session")
def paper_days(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--paper-days"))


@pytest.fixture(scope="session")
def oracle_cases(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--oracle-cases"))


@pytest.fixture(scope="session")
def chunk_cases(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--chunk-cases"))


@pytest.fixture
def order_kills(request: pytest.FixtureRequest) -> int:
    """The processes with orders that are killed at each venue."""
    return int(request.config.getoption("--order-kills"))


@pytest.fixture
def order_histories(request: pytest.FixtureRequest) -> int:
    """The histories of orders that are drawn for each venue."""
    return int(request.config.getoption("--order-histories"))


@pytest.fixture(scope="session")
def oracle_variants(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--oracle-variants"))
