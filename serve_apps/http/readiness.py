"""Readiness of the services behind the API, each checked within a bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

from candleray.errors import CandlerayError, Problem, ServiceUnavailable
from candleray.validation import Model
from serve_apps.backend import Probe
from serve_apps.http.openapi import ErrorAnswer

PROBE_TIMEOUT_S = 2.0


class ServiceState(Model):
    state: Literal["up", "down"]
    latency_ms: float
    reason: str | None = None
    """The reason that it counts as down."""
    notice: str | None = None
    """A fact that an operator should know although it is up."""


class Readiness(Model):
    """The services by name."""

    ready: bool
    services: dict[str, ServiceState]


class NotReady(Readiness, ErrorAnswer):
    """The services by name, and the error payload with a problem for each that is down."""


async def check_readiness(probes: Mapping[str, Probe], timeout_s: float = PROBE_TIMEOUT_S) -> Readiness:
    states = await asyncio.gather(*(_state_of(probe, timeout_s) for probe in probes.values()))
    services = dict(zip(probes, states, strict=True))
    down = {name: service for name, service in services.items() if service.state == "down"}
    if not down:
        return Readiness(ready=True, services=services)
    problems = [Problem(name, "down", service.reason or "") for name, service in down.items()]
    error = ServiceUnavailable(f"not ready: {', '.join(sorted(down))} does not answer", problems)
    return NotReady.model_validate({"ready": False, "services": services, **error.payload()})


@dataclass(frozen=True)
class Told:
    """A probe's outcome: why the service counts as down, or what is to be known of one that is up."""

    reason: str | None = None
    notice: str | None = None


_asking: WeakKeyDictionary[Probe, asyncio.Task[Told]] = WeakKeyDictionary()
"""Probes that have not come back: at most one of a service, however often people ask."""


async def _told_within(probe: Probe, timeout_s: float) -> Told:
    """Ask for so long.

    A probe that hangs is left behind: a driver may take long to cancel what it has begun (asyncpg took 10 s).
    """
    asked = _asking.get(probe)
    if asked is None or asked.done() or asked.get_loop() is not asyncio.get_running_loop():
        asked = _asking[probe] = asyncio.create_task(_told_by(probe))
    done, _ = await asyncio.wait({asked}, timeout=timeout_s)
    return asked.result() if done else Told(reason=f"no answer within {timeout_s:g} s")


async def _told_by(probe: Probe) -> Told:
    try:
        return Told(notice=await probe() or None)
    except CandlerayError as error:
        return Told(reason=error.message)
    except Exception as error:  # noqa: BLE001 - whatever it was, the service did not answer
        return Told(reason=type(error).__name__)


async def _state_of(probe: Probe, timeout_s: float) -> ServiceState:
    started = time.perf_counter()
    told = await _told_within(probe, timeout_s)
    latency_ms = round((time.perf_counter() - started) * 1000, 2)
    return ServiceState(
        state="down" if told.reason else "up", latency_ms=latency_ms, reason=told.reason, notice=told.notice
    )
