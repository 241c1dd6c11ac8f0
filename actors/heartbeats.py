"""Heartbeats of all that lives long on the cluster: when each worker was last known to work.

Whoever answers for itself (`actors.answering`) beats, so that a new actor has nothing to do for it. A beat is a
metric of the node, and is left in Ray's own store, from which the API tells it at once: the metric is seen 10 to
30 s later. A process whose loop stands still does not beat.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from candleray.errors import in_words
from candleray.heartbeats import BEAT_EVERY_S
from candleray.logs import get_logger

log = get_logger("heartbeats")

_NAMESPACE = "candleray"
_PREFIX = b"heartbeat:"


class Heartbeat:
    """The beats of one worker; what cannot be told is told with the next one."""

    def __init__(self, worker: str) -> None:
        from ray.util.metrics import Gauge  # here: commands import who answers, and not Ray

        self._worker = worker
        self._last = Gauge("candleray_heartbeat_time_seconds", "Time of a worker's last beat.", ("worker",))
        self._works: bool | None = None
        """Unknown, as None, before the first look."""
        self._trouble = ""

    def look(self, worked_s: float | None) -> None:
        """Tell when it worked last; log where it begins to, or does not any more.

        Args:
            worked_s: None where it does not work now.
        """
        if worked_s is not None:
            self._tell(worked_s)
        works = worked_s is not None
        if works is not self._works:
            told = log.info if works else log.warning
            told("heartbeat_begins" if works else "heartbeat_stops", worker=self._worker)
        self._works = works

    def _tell(self, worked_s: float) -> None:
        self._last.set(worked_s, {"worker": self._worker})
        trouble = _left(self._worker, worked_s)
        if trouble and trouble != self._trouble:
            log.warning("heartbeat_waits", worker=self._worker, reason=trouble)
        self._trouble = trouble


def now_where(works: Callable[[], bool]) -> Callable[[], float | None]:
    """The time of the last beat of who is asked: now, where it works."""
    return lambda: time.time() if works() else None


def start_heartbeat(worker: str, worked_s: Callable[[], float | None]) -> None:
    """Beat from now to the end of this process.

    The first beat comes after a pause: a process that ends again and again at its start has none.
    """
    threading.Thread(target=_beat, args=(worker, worked_s), name=f"heartbeat {worker}", daemon=True).start()


def _beat(worker: str, worked_s: Callable[[], float | None]) -> None:
    time.sleep(BEAT_EVERY_S)
    while not _is_on_cluster():
        time.sleep(BEAT_EVERY_S)
    heartbeat = Heartbeat(worker)
    while True:
        heartbeat.look(worked_s())
        time.sleep(BEAT_EVERY_S)


def _is_on_cluster() -> bool:
    ray = sys.modules.get("ray")
    is_initialized = getattr(ray, "is_initialized", None)  # of a Ray that is being imported there is less
    return bool(is_initialized and is_initialized())


def _left(worker: str, worked_s: float) -> str:
    """Leave a beat in Ray's store; return why that failed, or nothing."""
    from ray.experimental.internal_kv import _internal_kv_put

    try:
        _internal_kv_put(_PREFIX + worker.encode(), repr(worked_s), overwrite=True, namespace=_NAMESPACE)
    except Exception as error:  # noqa: BLE001 - whatever Ray raises while its head is away: the next beat tells it
        return in_words(error)
    return ""


def last_beats() -> dict[str, float]:
    """The time of each worker's last beat, of all that have beaten since Ray was started."""
    from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_list

    keys = _internal_kv_list(_PREFIX, namespace=_NAMESPACE)
    found = {key: _internal_kv_get(key, namespace=_NAMESPACE) for key in keys}
    return {key.removeprefix(_PREFIX).decode(): float(at) for key, at in found.items() if at}
