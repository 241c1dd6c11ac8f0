"""Sentences that an instance's owner should know: called for by its settings, shown by `candleray status`."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from candleray.settings import IdentitySettings, ServiceSettings, Settings
from cluster.instance.cautions import cautions
from cluster.instance.status import InstanceStatus, status_table


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({}, set()),
        ({"environment": "prod"}, {"operators"}),
        ({"environment": "prod", "identity": IdentitySettings(operators=(1,))}, set()),
        ({"services": ServiceSettings(ray_address="192.0.2.7:6379")}, {"proxy"}),
    ],
)
def test_settings_call_for_cautions(changes: dict[str, Any], about: set[str]) -> None:
    assert set(cautions(Settings(**{"environment": "test", **changes}))) == about


def test_a_production_instance_without_operators_is_told_the_remedy() -> None:
    assert "CANDLERAY_IDENTITY__OPERATORS='[123456]'" in cautions(Settings(environment="prod"))["operators"]


def test_a_cluster_that_was_joined_is_named_and_what_its_proxy_does_not_do() -> None:
    said = cautions(Settings(services=ServiceSettings(ray_address="192.0.2.7:6379")))["proxy"]
    assert "192.0.2.7:6379 was joined" in said
    assert "limits of connections" in said


def test_status_says_them() -> None:
    told = InstanceStatus(
        ready=True, state="ready", data_dir=Path("/x"), parts=(), cautions={"operators": "nobody is an operator"}
    )
    shown = StringIO()
    Console(file=shown, width=200).print(status_table(told))
    assert "nobody is an operator" in shown.getvalue()
