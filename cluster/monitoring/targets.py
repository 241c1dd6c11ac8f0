"""Targets of an instance for Prometheus: files in its data folder, true for its present ports.

They stay when the instance ends, however it does: what is not there any more is to be noticed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from candleray.private_files import write_private
from cluster.instance.instance_file import Instance

CHECKS = {"health": "answers", "ready": "answers", "status": "nobody_late"}
"""Paths of the API that are asked from outside, each with its module of blackbox."""
NODE, PROXY, API = "node", "proxy", "api"


def metrics_targets(instance: Instance) -> list[dict[str, Any]]:
    """Return the ports that tell metrics, each under `/metrics`: Ray's, HAProxy's, the API's."""
    urls = dict(zip((NODE, PROXY), instance.metrics_urls, strict=False)) | {API: instance.api_url}
    return [{"targets": [urlsplit(url).netloc], "labels": {"part": part}} for part, url in urls.items()]


def probe_targets(instance: Instance) -> list[dict[str, Any]]:
    return [
        {"targets": [f"{instance.api_url}/{path}"], "labels": {"check": path, "__param_module": module}}
        for path, module in CHECKS.items()
    ]


def write_targets(folder: Path, instance: Instance) -> None:
    """Write both files where they say something else.

    Raises:
        OSError: they cannot be written.
    """
    for name, targets in (("metrics", metrics_targets(instance)), ("probes", probe_targets(instance))):
        _write(folder / "targets" / f"{name}.json", json.dumps(targets, indent=2))


def _write(file: Path, content: str) -> None:
    if not file.exists() or file.read_text() != content:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, content)
