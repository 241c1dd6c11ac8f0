"""The demo's simulator, which chooses its port itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from candleray.errors import InstanceError
from cluster.demo import _address_in
from tests.support.instances.processes import started


def test_an_address_is_taken_from_a_whole_line_alone(tmp_path: Path) -> None:
    log = tmp_path / "simulator.log"
    with started("sleep", "600") as simulator:
        log.write_text("exchange simulator on http://127.0.0.1:31")
        with pytest.raises(InstanceError, match="did not start"):
            _address_in(log, simulator, timeout_s=0.2)
        log.write_text("exchange simulator on http://127.0.0.1:31999, Ctrl-C stops it\n")
        assert _address_in(log, simulator) == "http://127.0.0.1:31999"


def test_a_simulator_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "simulator.log"
    log.write_text("no such option")
    with subprocess.Popen(["false"]) as ended:
        ended.wait()
        with pytest.raises(InstanceError, match="no such option"):
            _address_in(log, ended)
