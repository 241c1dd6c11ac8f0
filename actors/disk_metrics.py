"""Metrics of the data folder's disk, exported by Ray on the node's metrics port."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from ray.util.metrics import Gauge


class DiskMetrics:
    def __init__(self, data: Path) -> None:
        self._data = data
        self._free = Gauge("candleray_disk_free_bytes", "Free on the disk of the data folder.")
        self._total = Gauge("candleray_disk_bytes", "Size of the disk of the data folder.")

    def observe(self) -> None:
        """Look at the disk; a folder that is not there, as on a joined cluster, has none."""
        with suppress(OSError):
            disk = shutil.disk_usage(self._data)
            self._free.set(disk.free)
            self._total.set(disk.total)
