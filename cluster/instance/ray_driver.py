"""The process that is Ray's driver: it starts Ray and what lives in it, in order, and stops it in reverse.

    ray           our own cluster, or the one that the settings name
    candle store  the actor that owns the candles
    actors        the others that every instance has
    api           Ray Serve behind HAProxy

The supervisor starts it (`cluster.instance.ray_boot`), reads from a pipe what happens, and writes to its standard
input the names of parts that are to be started again. SIGTERM stops it in order.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial

import ray
from ray.actor import ActorHandle

from actors.answering import answer_as
from actors.candle_store import candle_store
from actors.job_scheduler import job_scheduler
from actors.live_runner import live_runner
from actors.market_feed import market_feed
from actors.options import FEEDS, NAMESPACE, RAY_DRIVER, TELEGRAM_NOTIFIER_PART, live_runners
from actors.ray_errors import original_error
from actors.telegram_notifier import telegram_notifier
from candleray.errors import CandlerayError, in_words
from candleray.logs import configure_logs
from candleray.private_files import write_private
from candleray.settings import Settings, get_settings
from cluster.instance import ray_runtime
from cluster.instance.api_deployment import ApiDeployment
from cluster.instance.events import Event, Report, own_pipe, reported, to_pipe
from cluster.instance.instance_file import RayCluster
from cluster.machine.data_folder import DataFolder
from cluster.machine.exit_signals import stop_on_signals
from cluster.machine.ports import Ports
from cluster.search.ready_workers import start_workers
from cluster.services.outside_services import require_reachable


def actors(settings: Settings) -> Mapping[str, Callable[[Settings], ActorHandle]]:
    """Actors that an instance has besides the candle store, by name: what starts or finds each, in that order.

    Each answers `ping` once it works.
    """
    return {
        "job scheduler": partial(job_scheduler, job_module="cluster.search.job"),
        **{name: partial(market_feed, venue=venue) for name, venue in FEEDS.items()},
        **{
            name: partial(live_runner, shard=shard)
            for name, shard in live_runners(settings.live_runs.shards).items()
        },
        **({TELEGRAM_NOTIFIER_PART: telegram_notifier} if settings.telegram.enabled else {}),
    }


class RayDriver:
    def __init__(self, settings: Settings, app: str, boot_id: str, ports: Ports, report: Report) -> None:
        self.settings = settings
        self.folder = DataFolder(settings.data_path)
        self.boot_id = boot_id
        self.ports = ports
        self.report = report
        self.api = ApiDeployment(settings, app)

    def run(self) -> None:
        """Start, obey, stop.

        Raises:
            ServiceUnavailable: a part does not start.
        """
        parts: dict[str, Callable[[], AbstractContextManager[str]]] = {
            "ray": self._cluster,
            "candle store": self._candle_store,
            **{name: partial(self._actor, start) for name, start in actors(self.settings).items()},
            "api": self._api,
        }
        with ExitStack() as started:
            for name, part in parts.items():
                with self._telling_failure():
                    started.enter_context(reported(self.report, name, part()))
            self.report(Event("ready"))
            with suppress(KeyboardInterrupt):
                self._obey()

    @contextmanager
    def _telling_failure(self) -> Iterator[None]:
        """Tell a failure at once: later the supervisor has seen Ray end, and knows no other reason."""
        try:
            yield
        except Exception as error:
            self.report(Event("failed", detail=in_words(original_error(error))))
            raise

    def _obey(self) -> None:
        """Do what the supervisor asks for, until a signal or its end."""
        parts = {"api": self._api_again, "dashboard": self._dashboard_again}
        for line in sys.stdin:
            name = line.strip()
            try:
                began = time.perf_counter()
                detail = parts[name]()
                self.report(Event("started", name, detail, time.perf_counter() - began))
            except Exception:  # noqa: BLE001 - whatever it was: the supervisor sees that the part does not answer
                with suppress(OSError):
                    traceback.print_exc()

    def _api_again(self) -> str:
        self.api.deploy()
        return self.api.url

    def _dashboard_again(self) -> str:
        self._tell(ray_runtime.restart_dashboard(self.cluster))
        return str(self.cluster.dashboard_url)

    @contextmanager
    def _cluster(self) -> Iterator[str]:
        joined = self.settings.services.ray_address is not None
        cluster = (
            ray_runtime.joined_cluster(self.settings)
            if joined
            else ray_runtime.own_cluster(self.settings, self.folder, self.ports, self.boot_id)
        )
        with cluster as found:
            stop_on_signals()  # Ray sets its own handler
            self._tell(found)
            dashboard = f", dashboard {found.dashboard_url}" if found.dashboard_url else ""
            yield f"{'joined' if joined else 'started'}, {found.address}{dashboard}"

    def _tell(self, cluster: RayCluster) -> None:
        """Tell the supervisor of the cluster, which it reads once a part of Ray is reported as started."""
        self.cluster = cluster
        write_private(self.folder.ray_dir(self.boot_id) / "cluster.json", cluster.model_dump_json())

    @contextmanager
    def _candle_store(self) -> Iterator[str]:
        with self._actor(candle_store):
            where = self.settings.services.clickhouse_url
            yield f"at {require_reachable(where, 'clickhouse_url')}" if where else ""

    @contextmanager
    def _api(self) -> Iterator[str]:
        # For every replica: what they start belongs to this process's job.
        start_workers()
        with self.api.deployed() as where:
            yield where

    @contextmanager
    def _actor(self, start: Callable[[Settings], ActorHandle]) -> Iterator[str]:
        actor = start(self.settings)
        ray.get(actor.ping.remote())
        yield f"in the namespace {NAMESPACE}"
        ray.kill(actor)


def main(app: str, boot_id: str, first_port: int, descriptor: int) -> int:
    stop_on_signals()
    answer_as(RAY_DRIVER)
    report = to_pipe(own_pipe(descriptor))
    with suppress(CandlerayError, KeyboardInterrupt):  # the supervisor knows
        settings = get_settings()
        configure_logs(settings.log_level)  # whose lines go to the instance's log
        RayDriver(settings, app, boot_id, Ports(first_port), report).run()
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
