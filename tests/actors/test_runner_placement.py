"""Places of the runners of live runs: spread where all nodes reach what they need, else beside it."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from actors.options import ON_HEAD, is_reached_by_all_nodes, live_runner_options
from candleray.settings import ServiceSettings

FAR = "postgresql://user:word@db.example:5432/candleray"
FAR_STREAMS = "redis://10.0.0.7:6379/0"
HERE = {
    "embedded Postgres": "postgresql://candleray@/candleray?host=/data/postgres",
    "embedded Valkey": "unix:///data/valkey.sock",
    "by name": "postgresql://user:word@localhost:5432/candleray",
    "by address": "redis://127.0.0.1:6379/0",
    "by another one": "redis://[::1]:6379/0",
}


@pytest.mark.parametrize("url", HERE.values(), ids=HERE.keys())
def test_a_service_of_this_machine_keeps_the_runners_beside_it(url: str) -> None:
    assert not is_reached_by_all_nodes(SecretStr(url))
    for services in ((FAR, url), (url, FAR_STREAMS)):
        options = live_runner_options(0, _services(*services))
        assert options["resources"] == ON_HEAD["resources"]
        assert "scheduling_strategy" not in options


def test_services_that_all_nodes_reach_let_the_runners_spread() -> None:
    options = live_runner_options(3, _services(FAR, FAR_STREAMS))
    assert (options["name"], options["scheduling_strategy"]) == ("live-runner-3", "SPREAD")
    assert "resources" not in options


def test_without_an_address_nothing_is_reached() -> None:
    assert not is_reached_by_all_nodes(None)


def _services(postgres: str, valkey: str) -> ServiceSettings:
    return ServiceSettings(postgres_url=SecretStr(postgres), redis_url=SecretStr(valkey))
