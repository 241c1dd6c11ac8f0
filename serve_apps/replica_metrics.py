"""Metrics of all replicas in one answer: each leaves its own in Valkey, whichever is asked tells them all.

A replica leaves its own before it tells them, so that no counter is ever seen to go back, whoever answers next.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable

from candleray.databases.valkey import Valkey
from candleray.errors import CandlerayError
from candleray.logs import get_logger
from serve_apps.metrics import Metrics

LEAVE_EVERY_S = 5.0
FORGET_AFTER_S = 60.0
"""Seconds after which a replica that has left nothing more is gone."""
_TIMEOUT_S = 2.0
_KEY = "candleray:metrics"

log = get_logger("api")


class ReplicaMetrics:
    def __init__(self, own: Metrics, valkey: Callable[[], Awaitable[Valkey]]) -> None:
        self._own = own
        self._valkey = valkey

    async def render(self) -> bytes:
        """All that is known of every replica; of this one alone, and so it says, where Valkey does not answer."""
        mine = self._own.render().decode()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._leave(mine)
                texts = await self._left()
        except (CandlerayError, TimeoutError):
            texts = {self._own.replica: mine}
        return merged([*texts.values(), _reporting(len(texts))]).encode()

    async def leave_for_ever(self) -> None:
        """Leave this replica's again and again, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await self._leave(self._own.render().decode())
            except (CandlerayError, TimeoutError) as error:
                log.debug("metrics_not_left", error=str(error))
            await asyncio.sleep(LEAVE_EVERY_S)

    async def _leave(self, text: str) -> None:
        async with (await self._valkey()).answering() as client:
            await client.hset(_KEY, self._own.replica, json.dumps([time.time(), text]))

    async def _left(self) -> dict[str, str]:
        async with (await self._valkey()).answering() as client:
            left = {_text(name): json.loads(value) for name, value in (await client.hgetall(_KEY)).items()}
            # The clock may have gone back since: those who live leave theirs again.
            gone = [name for name, (at, _) in left.items() if abs(time.time() - at) > FORGET_AFTER_S]
            if gone:
                await client.hdel(_KEY, *gone)
        return {name: text for name, (_, text) in sorted(left.items()) if name not in gone}


def merged(texts: Iterable[str]) -> str:
    """Expositions as one: each family once, with the samples of all."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for text in texts:
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                family = line.split(" ")[2]
                head = heads.setdefault(family, [])
                if line not in head:
                    head.append(line)
            else:
                samples.setdefault(family, []).append(line)
    return "".join(f"{line}\n" for family in heads for line in (*heads[family], *samples.get(family, ())))


def _reporting(count: int) -> str:
    name = "candleray_api_replicas_reporting"
    return f"# HELP {name} Replicas whose series are in this answer\n# TYPE {name} gauge\n{name} {count}\n"


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
