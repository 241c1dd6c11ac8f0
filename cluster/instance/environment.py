"""The environment of what Ray starts: workers and replicas take their settings and find our code from it."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from actors.answering import SOCKETS
from candleray.private_files import read_private, write_private
from candleray.settings import ROOT, Settings
from cluster.machine.child_environment import inherited
from cluster.machine.data_folder import DataFolder
from cluster.machine.leftovers import BOOT
from cluster.machine.ports import Ports


def settings_environment(settings: Settings) -> dict[str, str]:
    """The variables from which another process makes the same settings, and serves by them."""
    return {
        **dict(_variables("CANDLERAY", settings.model_dump())),
        # Uvicorn would believe X-Forwarded-For of whatever is on this machine: of our proxy, so of every caller.
        # Ours tells the caller's address by a header of its own; see `serve_apps.http.behind_proxy`.
        "FORWARDED_ALLOW_IPS": "",
    }


def _variables(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        variable = f"{prefix}_{name.upper()}"
        if isinstance(value, SecretStr):
            yield variable, value.get_secret_value()
        elif isinstance(value, dict) and value and prefix == "CANDLERAY":
            yield from _variables(f"{variable}_", value)
        elif isinstance(value, dict | list | tuple):
            yield variable, json.dumps(value, default=str)
        elif value is not None:
            yield variable, str(value)


def driver_environment(settings: Settings, folder: DataFolder, ports: Ports, boot_id: str) -> dict[str, str]:
    """Return the environment of the process that starts Ray or joins it."""
    # Ray would join what it finds there; without bytecode it starts three times slower.
    joined = settings.services.ray_address
    foreign = () if joined else ("RAY_ADDRESS", "PYTHONDONTWRITEBYTECODE")
    nodes = [joined.rpartition(":")[0].strip("[]")] if joined else []
    ours = {BOOT: boot_id, SOCKETS: str(folder.ray_dir(boot_id))}
    apart = {} if joined else isolation(folder, ports)
    return {**inherited(without=foreign, direct=nodes), **settings_environment(settings), **ours, **apart}


def isolation(folder: DataFolder, ports: Ports) -> dict[str, str]:
    """Return the variables that keep this instance's Ray apart from every other one and set it up."""
    haproxy = folder.run_dir  # itself: Ray adds a folder of 56 characters
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "NUMBA_NUM_THREADS": "1",  # Ray's tasks are the threads
        "RAY_USAGE_STATS_ENABLED": "0",
        # At the default, 15, the API gets 3 % of a core beside any busy program; at 5 a quarter.
        "RAY_worker_niceness": "5",
        # Ray ends idle workers over one a free CPU after a second; a new one takes 3 s, ten times the search it
        # is for. Left for ever, each takes 0.7 % of a core from what runs.
        "RAY_idle_worker_killing_time_threshold_ms": "60000",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",  # median latency 8 ms -> 0.7 ms
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # At the default, 0.1, its controller takes 4 % of a core from whatever runs.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        # At the defaults, 100 ms each, every process of Serve and Ray's agent wake ten times a second to export
        # metrics and events: a tenth of what an idle instance takes.
        "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "2000",
        "EVENT_AGENT_REPORT_INTERVAL_SECONDS": "1",
        # At the defaults, 5 s each and on, the dashboard's figures of processes and Ray's of its own loops take
        # 3 of the 24 % of a core that an idle instance takes.
        "REPORTER_UPDATE_INTERVAL_MS": "10000",
        "METRICS_RECORD_INTERVAL_S": "30",
        "RAY_event_stats": "0",
        # Here and not in the replicas' `runtime_env`: their tasks would need workers of that environment.
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_apps.http.behind_proxy:outside_serve",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{haproxy}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{haproxy}/admin.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{haproxy}/metrics.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{haproxy}/server-state",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.haproxy_metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.haproxy_stats),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports.fallback_grpc),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replicas[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replicas[-1]),
        # HAProxy learns of a leaving replica in 0.2 s; the default would make every stop take 30 s.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "1",
        # At the default, 10, a killed HAProxy is replaced after half a minute.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        # At the default, 5, a proxy that takes 15 s to start, on a busy machine, never does.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        "AUTOSCALER_METRIC_PORT": str(ports.autoscaler_metrics),
        "DASHBOARD_METRIC_PORT": str(ports.dashboard_metrics),
        **authentication(folder),
    }


def authentication(folder: DataFolder) -> dict[str, str]:
    """Ray listens on all interfaces and runs whatever it is sent, so it asks for a token of the data folder.

    A mode or a token that the environment names comes first; left open, Ray would decide by what it finds in the
    home folder.
    """
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode != "token" or {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        return {"RAY_AUTH_MODE": mode}
    if read_private(folder.ray_token) is None:
        write_private(folder.ray_token, secrets.token_hex(32))
    return {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN_PATH": str(folder.ray_token)}
