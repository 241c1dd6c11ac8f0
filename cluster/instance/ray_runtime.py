"""Ray, started for this instance alone, or joined where the settings name a cluster.

What Ray starts inherits our environment: what it must know has been put there. From a `runtime_env` the dashboard
would show it, passwords and all, and workers would start later.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from actors.options import NAMESPACE
from candleray.errors import ServiceUnavailable, first_line
from candleray.settings import Settings
from cluster.instance.environment import settings_environment
from cluster.instance.instance_file import RayCluster
from cluster.machine.data_folder import DataFolder
from cluster.machine.ports import Ports, first_free
from cluster.machine.processes import answers_of

RAY_DASHBOARD_PORT = 8265
DASHBOARD_SILENT = "its dashboard has ended, or did not answer within Ray's 60 s"
_OF_DASHBOARD = "error message from the dashboard"
QUIET: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": logging.WARNING}
VITAL = ("gcs_server", "raylet")


@contextmanager
def own_cluster(settings: Settings, folder: DataFolder, ports: Ports, boot_id: str) -> Iterator[RayCluster]:
    """A Ray cluster of this process, which ends with it even when it is killed.

    Must run in the main thread: Ray's processes are bound to the life of the thread that starts them.

    Raises:
        ServiceUnavailable: it does not start.
    """
    import ray

    try:
        yield _start(ray, settings, folder, ports, boot_id)
    finally:
        ray.shutdown()


def restart_dashboard(cluster: RayCluster) -> RayCluster:
    """Start the dashboard of our own cluster again, perhaps on another port: nothing else notices, jobs go on."""
    from ray._private.worker import _global_node as node

    node.kill_dashboard(check_alive=False)
    node.start_api_server(include_dashboard=True, raise_on_failure=True)
    return cluster.model_copy(update={"dashboard_url": _http(node.webui_url), "dashboard_pid": _dashboard_pid()})


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
        raise ServiceUnavailable(f"the Ray cluster {address} cannot be joined: {first_line(exc)}") from exc
    try:
        yield RayCluster(address=context.address_info["gcs_address"], dashboard_url=_http(context.dashboard_url))
    finally:
        ray.shutdown()


def _start(ray: Any, settings: Settings, folder: DataFolder, ports: Ports, boot_id: str) -> RayCluster:
    try:
        with _ray_parameters(ports.dashboard_agent):
            context = ray.init(
                address="local",
                num_cpus=settings.compute.num_cpus,
                object_store_memory=settings.compute.object_store_bytes,
                include_dashboard=settings.compute.dashboard,
                dashboard_host="127.0.0.1",
                dashboard_port=_dashboard_port(settings),
                _temp_dir=str(folder.ray_dir(boot_id)),
                _metrics_export_port=ports.node_metrics,
                **QUIET,
            )
    except Exception as exc:  # Ray raises it bare where a node does not start in time
        raise ServiceUnavailable(f"Ray does not start: {why_not_started(exc)}") from exc
    _link_logs(folder, Path(context.address_info["session_dir"]) / "logs")
    return RayCluster(
        address=context.address_info["gcs_address"],
        dashboard_url=_http(context.dashboard_url),
        token=_token_file(),
        metrics_urls=tuple(
            f"http://127.0.0.1:{port}/metrics" for port in (ports.node_metrics, ports.haproxy_metrics)
        ),
        vital={name: child.pid for child, name in answers_of(_children(), psutil.Process.name) if name in VITAL},
        raylet_address=next(
            f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}" for node in ray.nodes() if node["Alive"]
        ),
        dashboard_pid=_dashboard_pid(),
    )


def why_not_started(error: Exception) -> str:
    """Ray's reason in one line. Of a dashboard Ray tells the end of its log alone, after an empty line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not any(_OF_DASHBOARD in line for line in lines):
        return first_line(error)
    said = "is empty" if _OF_DASHBOARD in lines[-1] else f"ends with: {lines[-1][:300]}"
    return f"{DASHBOARD_SILENT}; its log {said}"


@contextmanager
def _ray_parameters(port: int) -> Iterator[None]:
    """`ray.init` has no argument for its agent's port, 52365: a second instance's agent could not run jobs.

    Nor for its log monitor, which copies workers' lines to drivers: ours want none, and it takes 1 % of a core.
    """
    from ray._private import parameter

    original = parameter.RayParams
    parameter.RayParams = partial(original, dashboard_agent_listen_port=port, include_log_monitor=False)
    try:
        yield
    finally:
        parameter.RayParams = original


def _dashboard_port(settings: Settings) -> int | None:
    """Its default port Ray tries again one higher, even when two start at once; any other one it insists on."""
    wanted = settings.compute.dashboard_port
    return None if wanted == RAY_DASHBOARD_PORT else first_free("127.0.0.1", wanted)


def _dashboard_pid() -> int | None:
    commands = answers_of(_children(), psutil.Process.cmdline)
    return next((child.pid for child, command in commands if "dashboard.py" in " ".join(command)), None)


def _children() -> list[psutil.Process]:
    return psutil.Process().children()


def _token_file() -> Path | None:
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(path) if path and os.environ["RAY_AUTH_MODE"] == "token" else None


def _http(address: str | None) -> str | None:
    return f"http://{address}" if address else None


def _link_logs(folder: DataFolder, logs: Path) -> None:
    """`logs/ray` shows Ray's logs while it runs, which lie in the run folder because of its short path.

    Those of the former start, kept there when it ended, go on as `logs/ray-former`: they say why it ended. A full
    disk costs the view of the logs and nothing else.
    """
    with suppress(OSError):
        _link(folder, logs)


def _link(folder: DataFolder, logs: Path) -> None:
    folder.make_logs()
    if folder.ray_logs.is_dir() and not folder.ray_logs.is_symlink():
        shutil.rmtree(folder.former_ray_logs, ignore_errors=True)
        folder.ray_logs.rename(folder.former_ray_logs)
    folder.ray_logs.unlink(missing_ok=True)
    folder.ray_logs.symlink_to(logs)
