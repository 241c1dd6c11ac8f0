"""The candle store over HTTP: the contract, against a front of our own.

With `CLICKHOUSE_URL` (its database is the tests' to fill) it runs against that server instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from candleray.errors import InvalidInput, ServiceUnavailable
from candleray.market_data.candle_store import CandleStore
from tests.support.candle_store.batches import BatchContract
from tests.support.candle_store.inserting import InsertingContract
from tests.support.candle_store.instruments import InstrumentsContract
from tests.support.candle_store.reading import ReadingContract
from tests.support.candle_store.repair import RepairContract
from tests.support.candle_store.versions import VersionsContract

FRONT = Path(__file__).parents[1] / "support" / "clickhouse_front.py"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if url := os.environ.get("CLICKHOUSE_URL"):
        yield url
        return
    command = [sys.executable, str(FRONT), str(tmp_path_factory.mktemp("front"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as front:
        try:
            yield f"http://reader:pass%40word@127.0.0.1:{int(front.stdout.readline())}/candles"
        finally:
            front.kill()


@pytest.fixture(scope="module")
def store_over_http(address: str) -> Iterator[CandleStore]:
    store = CandleStore.open(address)
    store.migrate()
    yield store
    store.close()


class TestOverHttp(
    ReadingContract, InsertingContract, VersionsContract, InstrumentsContract, RepairContract, BatchContract
):
    @pytest.fixture
    def store(self, store_over_http: CandleStore) -> CandleStore:
        return store_over_http


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(
        ServiceUnavailable, match=r"ClickHouse at http://127\.0\.0\.1:9/db does not answer"
    ) as error:
        CandleStore.open("http://user:s3cret@127.0.0.1:9/db")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["ftp://user:s3cret@host/db", "http://user:s3cret@host:s3cret/db", "chdb://data/candles"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput) as error:
        CandleStore.open(url)
    assert "s3cret" not in str(error.value)
