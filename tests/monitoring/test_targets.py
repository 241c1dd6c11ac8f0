"""Targets for Prometheus: an instance's present ports, in its data folder, there after it has ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from cluster.instance.instance_file import Instance
from cluster.monitoring.targets import write_targets


def instance(**changes: object) -> Instance:
    known = {
        "pid": 1,
        "start_ticks": 1,
        "boot": "b",
        "state": "ready",
        "data_dir": Path("/data"),
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "api_url": "http://127.0.0.1:8000",
        "api_port": 8000,
    }
    return Instance.model_validate(known | changes)


def test_the_files_name_what_the_instance_has_now_and_change_with_it(tmp_path: Path) -> None:
    urls = ("http://127.0.0.1:50001/metrics", "http://127.0.0.1:50002/metrics")
    write_targets(tmp_path, instance(metrics_urls=urls))
    metrics, probes = (
        json.loads((tmp_path / "targets" / name).read_text()) for name in ("metrics.json", "probes.json")
    )
    assert {group["labels"]["part"]: group["targets"] for group in metrics} == {
        "node": ["127.0.0.1:50001"],
        "proxy": ["127.0.0.1:50002"],
        "api": ["127.0.0.1:8000"],
    }
    assert {group["labels"]["check"]: group["targets"] for group in probes} == {
        name: [f"http://127.0.0.1:8000/{name}"] for name in ("health", "ready", "status")
    }
    write_targets(tmp_path, instance(metrics_urls=("http://127.0.0.1:50009/metrics", urls[1])))
    assert "127.0.0.1:50009" in (tmp_path / "targets" / "metrics.json").read_text()


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    write_targets(tmp_path, instance())
    before = [file.stat().st_ino for file in sorted((tmp_path / "targets").iterdir())]
    write_targets(tmp_path, instance(state="restarting"))
    assert [file.stat().st_ino for file in sorted((tmp_path / "targets").iterdir())] == before
    assert len(before) == 2, "no half of a file is left"
