"""Faults of requests: refusals for a while, a clock that is off, a page with the minute under way."""

from __future__ import annotations

from dataclasses import replace

from candleray.exchanges.exchange import Failure
from candleray.simulator.faults.fault import Fault, FaultKind
from candleray.timeframes import MINUTE_MS

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head></html>"
_OFF_MS = (5_000, -5_000, 60_000, -60_000)
_LIMITED_MS = MINUTE_MS


def _refuse_all(fault: Fault, request_number: int, now_ms: int) -> Failure | str:
    return BAD_GATEWAY if request_number % 3 == 2 else Failure("unavailable", "")


def _limit_and_ban(fault: Fault, request_number: int, now_ms: int) -> Failure:
    """Refused as too much for a minute, then banned for the rest."""
    limited_until_ms = fault.start_ms + _LIMITED_MS
    if now_ms < limited_until_ms:
        return Failure("rate_limited", "", (limited_until_ms - now_ms) / 1000)
    return Failure("banned", "", (fault.end_ms - now_ms) / 1000)


REST_DOWN = FaultKind(
    "rest_down",
    22,
    "requests answered by 503, errors and HTML, handshakes refused",
    lasts_ms=20 * MINUTE_MS,
    act=lambda _: "cut",
    refuses_handshakes=True,
    refuse=_refuse_all,
)
BINANCE_BAN = FaultKind(
    "ban",
    23,
    "429 for a minute, then 418 for two",
    lasts_ms=3 * MINUTE_MS,
    exchanges=("binance",),
    refuse=_limit_and_ban,
)
BYBIT_BAN = replace(
    BINANCE_BAN,
    name="bybit_ban",
    says="code 10006 for a minute, then 403 for ten",
    lasts_ms=11 * MINUTE_MS,
    exchanges=("bybit",),
)
CLOCK_OFF = FaultKind(
    "clock_off",
    24,
    "the venue's time is 5 s or a minute off, either way",
    lasts_ms=5 * MINUTE_MS,
    variants=len(_OFF_MS),
    clock_off_ms=lambda fault: _OFF_MS[fault.variant],
)
FORMING_SHOWN = FaultKind(
    "forming_shown",
    26,
    "pages of candles end with the minute under way",
    lasts_ms=5 * MINUTE_MS,
    is_forming_shown=True,
)
