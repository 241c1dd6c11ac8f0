"""Heartbeats of a real instance: every worker's, at once by the API and a little later as a metric."""

from __future__ import annotations

import httpx
import pytest

from actors.options import workers
from candleray.duties.outcomes import Activity
from candleray.settings import Settings, TelegramSettings
from cluster.instance.status import inspect
from tests.support.instances.real_instance import RealInstance
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(3000)]

EXPECTED = set(workers(Settings(telegram=TelegramSettings(enabled=False))))


def test_the_status_tells_when_every_worker_has_beaten_last(instance: RealInstance) -> None:
    def status() -> Activity:
        answer = httpx.get(f"{instance.url}/status", trust_env=False, timeout=60)
        return Activity.model_validate_json(answer.content)

    told = wait_until(status, lambda seen: seen.late == ())
    assert {one.worker for one in told.workers} == EXPECTED
    tried = wait_until(status, lambda seen: seen.duties != ())
    assert all(duty.every_s and duty.next_at and duty.took_s is not None for duty in tried.duties)
    parts = {part.name: part for part in inspect(instance.folder).parts}
    assert all(parts[name].state == "running" for name in EXPECTED)
    assert all((parts[name].beaten_ago_s or 0.0) < 30 for name in EXPECTED)


def test_every_worker_has_its_last_beat_as_a_metric(instance: RealInstance) -> None:
    def unseen() -> set[str]:
        told = [httpx.get(url, trust_env=False, timeout=60).text for url in instance.file.metrics_urls]
        beats = [line for line in "\n".join(told).splitlines() if line.startswith("ray_candleray_heartbeat_time")]
        return {worker for worker in EXPECTED if not any(f'worker="{worker}"' in beat for beat in beats)}

    wait_until(unseen, lambda names: not names, every_s=1)  # Ray collects every 10 s
