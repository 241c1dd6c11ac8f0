"""The duty that certifies running runs, each once a day, and shows how they stand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from candleray.duties.duty import Duty, Means
from candleray.live.certificates.daily import certify_due_runs

LOOK_EVERY_S = 600.0
TIMEOUT_S = 300.0


def duties(means: Means) -> Iterator[Duty]:
    live = means.settings.live
    if live.certify_every_s:
        every_s = min(LOOK_EVERY_S, live.certify_every_s) / live.clock_speed
        yield Duty("certificates of runs", max(1.0, every_s), partial(_certify, means), TIMEOUT_S)


async def _certify(means: Means) -> str:
    certified = await means.elsewhere(certify_due_runs, means.settings, means.candles)
    means.show_parities(certified.counts)
    said: str = certified.said
    return said
