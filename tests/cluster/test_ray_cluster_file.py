"""`ray-cluster.yaml` is one that Ray's launcher takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

FILE = Path(__file__).resolve().parent.parent.parent / "ray-cluster.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


def test_the_launcher_takes_it(config: dict[str, Any]):
    validate_config(prepare_config(config))


def test_the_check_would_notice_a_misspelled_key(config: dict[str, Any]):
    with pytest.raises(ValidationError):
        validate_config(prepare_config({**config, "head_start_commands": []}))


def test_every_machine_gets_the_locked_dependencies_and_asks_for_the_token(config: dict[str, Any]):
    assert any("requirements.lock" in command for command in config["setup_commands"])
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in commands[-1]
