"""Full garbage collections pass over the objects that a process is built of: they would stop its work."""

from __future__ import annotations

import subprocess
import sys

LEFT = """
import gc
from serve_apps.api import build_api
from serve_apps.app import freeze_objects
from tests.support.api.in_process_api import backend
api = build_api(backend(object()))
before = len(gc.get_objects())
freeze_objects()
print(before, len(gc.get_objects()))
"""


def test_a_full_collection_has_next_to_nothing_to_look_at():
    told = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, check=True).stdout
    before, left = map(int, told.split())
    assert before > 100_000
    assert left < before / 100


WARM = """
import gc
from cluster.search.ready_workers import _load
_load._function()
print(gc.isenabled(), gc.get_freeze_count(), len(gc.get_objects()))
"""


def test_a_warm_worker_has_next_to_nothing_to_look_at_and_collects_again():
    told = subprocess.run([sys.executable, "-c", WARM], capture_output=True, text=True, check=True).stdout
    enabled, frozen, left = told.split()
    assert enabled == "True"
    assert int(left) < int(frozen) / 100
