"""Metrics of several replicas in one answer."""

from __future__ import annotations

from dataclasses import replace

from serve_apps.metrics import Metrics
from serve_apps.replica_metrics import merged
from tests.support.api.in_process_api import backend, serving_strangers, unreachable


async def test_whichever_replica_is_asked_the_series_of_both_are_told_and_no_counter_goes_back():
    one, other = (replace(backend(object()), metrics=Metrics(name)) for name in ("one", "other"))
    async with serving_strangers(one) as first, serving_strangers(other) as second:
        for number in (1, 2, 3):
            await first.get("/health")
            await second.get("/metrics")
            for api in (first, second):
                told = (await api.get("/metrics")).text
                for name in ("one", "other"):
                    assert f'candleray_api_requests_in_flight{{replica="{name}"}}' in told
                assert told.count("# TYPE candleray_api_requests_total counter") == 1
                count = f'{{method="GET",replica="one",route="/health",status="200"}} {number}.0'
                assert f"candleray_api_requests_total{count}" in told


async def test_without_valkey_the_answer_says_that_it_is_of_one_replica():
    async with serving_strangers(replace(backend(object()), valkey=unreachable)) as api:
        told = (await api.get("/metrics")).text
    assert "candleray_api_replicas_reporting 1\n" in told
    assert 'replica="here"' in told


def test_a_family_is_told_once_with_the_samples_of_all():
    head = "# HELP a words\n# TYPE a gauge\n"
    assert merged([f'{head}a{{r="1"}} 1\n', f'{head}a{{r="2"}} 2\n']) == f'{head}a{{r="1"}} 1\na{{r="2"}} 2\n'
