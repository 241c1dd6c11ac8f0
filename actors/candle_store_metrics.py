"""Metrics of the candle store, exported by Ray on the node's metrics port."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ray.util.metrics import Gauge

if TYPE_CHECKING:
    from candleray.market_data.candle_repair import StoreCondition


class CandleStoreMetrics:
    def __init__(self) -> None:
        self._set_aside = Gauge(
            "candleray_candle_parts_set_aside", "Broken parts that nothing reads any more, by table.", ("table",)
        )
        self._restored = Gauge(
            "candleray_candle_rows_restored", "Rows that the last repair gave to a kind of table.", ("to",)
        )
        self._tables: set[str] = set()

    def observe(self, condition: StoreCondition) -> None:
        parts = Counter(part.table for part in condition.set_aside)
        self._tables |= parts.keys()
        for table in self._tables:
            self._set_aside.set(parts[table], {"table": table})
        self._restored.set(condition.raw_restored, {"to": "raw"})
        self._restored.set(condition.canonical_restored, {"to": "canonical"})
