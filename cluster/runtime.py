"""Ray, started for this instance alone, or joined where the settings name a cluster.

What Ray starts inherits our environment: what it must know is put there before Ray is imported. From a
`runtime_env` the dashboard would show it, passwords and all, and workers would start later.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from actors.options import NAMESPACE
from candleray.errors import ServiceUnavailable
from candleray.settings import Settings
from cluster import leftovers
from cluster.data_folder import DataFolder
from cluster.environment import isolation, settings_environment
from cluster.ports import Ports, first_free
from cluster.service import is_running

RAY_DASHBOARD_PORT = 8265
QUIET: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": logging.WARNING}
VITAL = ("gcs_server", "raylet")


@dataclass(frozen=True)
class RayCluster:
    """The cluster this process is the driver of."""

    address: str
    dashboard_url: str | None
    token: Path | None = None
    metrics_urls: tuple[str, ...] = ()
    vital: tuple[psutil.Process, ...] = ()
    """Of our own cluster: without them it cannot go on."""

    def require_alive(self) -> None:
        """
        Raises:
            ServiceUnavailable: it is not, and the instance cannot go on either.
        """
        for process in self.vital:
            if not is_running(process):
                raise ServiceUnavailable(
                    f"a part of Ray (process {process.pid}) has ended: start the instance anew"
                )


def own_error(error: Exception) -> Exception:
    """The error as it was raised: one that comes out of an actor is wrapped, and its text is a traceback."""
    return getattr(error, "cause", None) or error


@contextmanager
def ray_cluster(settings: Settings, folder: DataFolder, ports: Ports, boot: str) -> Iterator[RayCluster]:
    """A Ray cluster of this process, which ends with it even when it is killed.

    Must run in the main thread: Ray's processes are bound to the life of the thread that starts them.
    """
    os.environ.update(settings_environment(settings), **isolation(folder, ports, boot))
    for foreign in ("RAY_ADDRESS", "PYTHONDONTWRITEBYTECODE"):  # without bytecode Ray starts three times slower
        os.environ.pop(foreign, None)
    sys.dont_write_bytecode = False
    with _guard(boot, folder):
        import ray

        try:
            yield _start(ray, settings, folder, ports, boot)
        finally:
            ray.shutdown()
            _keep_logs(folder)


@contextmanager
def joined_cluster(settings: Settings) -> Iterator[RayCluster]:
    """The cluster that the settings name; its workers get the settings, and need our code installed.

    Raises:
        ServiceUnavailable: it does not answer.
    """
    # Where the environment names a token and no mode, the token is meant.
    has_token = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    os.environ.setdefault("RAY_AUTH_MODE", "token" if has_token else "disabled")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    address = settings.services.ray_address
    try:
        context = ray.init(address=address, runtime_env={"env_vars": settings_environment(settings)}, **QUIET)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        raise ServiceUnavailable(f"the Ray cluster {address} cannot be joined: {exc}") from exc
    try:
        yield RayCluster(context.address_info["gcs_address"], _http(context.dashboard_url))
    finally:
        ray.shutdown()


def _start(ray: Any, settings: Settings, folder: DataFolder, ports: Ports, boot: str) -> RayCluster:
    for killed in folder.run_dir.glob("ray-*"):
        shutil.rmtree(killed, ignore_errors=True)
    try:
        with _agent_port(ports.dashboard_agent):
            context = ray.init(
                address="local",
                num_cpus=settings.compute.num_cpus,
                object_store_memory=settings.compute.object_store_bytes,
                include_dashboard=settings.compute.dashboard,
                dashboard_host="127.0.0.1",
                dashboard_port=_dashboard_port(settings),
                _temp_dir=str(folder.ray_dir(boot)),
                _metrics_export_port=ports.node_metrics,
                **QUIET,
            )
    except Exception as exc:  # Ray raises it bare where a node does not start in time
        raise ServiceUnavailable(f"Ray does not start: {exc}") from exc
    _link_logs(folder, Path(context.address_info["session_dir"]) / "logs")
    return RayCluster(
        context.address_info["gcs_address"],
        _http(context.dashboard_url),
        _token_file(),
        tuple(f"http://127.0.0.1:{port}/metrics" for port in (ports.node_metrics, ports.haproxy_metrics)),
        tuple(child for child in psutil.Process().children() if child.name() in VITAL),
    )


@contextmanager
def _guard(boot: str, folder: DataFolder) -> Iterator[None]:
    """The process that ends what Ray leaves, once the pipe to us is closed."""
    command = [sys.executable, "-I", "-S", str(Path(leftovers.__file__)), boot, str(folder.ray_dir(boot))]
    environment = {"PATH": os.defpath}  # without the mark: it must not find itself
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, env=environment, cwd="/", start_new_session=True
    ) as guard:
        try:
            yield
        finally:
            leftovers.kill_leftovers(boot, str(folder.ray_dir(boot)))
            guard.terminate()


@contextmanager
def _agent_port(port: int) -> Iterator[None]:
    """`ray.init` has no argument for its agent's port, 52365: a second instance's agent could not run jobs."""
    from ray._private import parameter

    original = parameter.RayParams
    parameter.RayParams = partial(original, dashboard_agent_listen_port=port)
    try:
        yield
    finally:
        parameter.RayParams = original


def _dashboard_port(settings: Settings) -> int | None:
    """Its default port Ray tries again one higher, even when two start at once; any other one it insists on."""
    wanted = settings.compute.dashboard_port
    return None if wanted == RAY_DASHBOARD_PORT else first_free("127.0.0.1", wanted)


def _token_file() -> Path | None:
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(path) if path and os.environ["RAY_AUTH_MODE"] == "token" else None


def _http(address: str | None) -> str | None:
    return f"http://{address}" if address else None


def _link_logs(folder: DataFolder, logs: Path) -> None:
    """`logs/ray` shows Ray's logs while it runs, in the run folder because of its short path ..."""
    shutil.rmtree(folder.ray_logs, ignore_errors=True)
    folder.ray_logs.unlink(missing_ok=True)
    folder.ray_logs.symlink_to(logs)


def _keep_logs(folder: DataFolder) -> None:
    """... and holds them afterwards."""
    if folder.ray_logs.is_symlink() and folder.ray_logs.exists():
        logs = folder.ray_logs.resolve()
        folder.ray_logs.unlink()
        shutil.move(logs, folder.ray_logs)
