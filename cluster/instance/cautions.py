"""Cautions: what an instance works with and its owner should know, said at the start and in `candleray status`."""

from __future__ import annotations

from collections.abc import Callable

from candleray.identity.roles import without_operators
from candleray.settings import Settings
from cluster.instance.own_proxy import without_own_proxy


def with_simulated_exchanges(settings: Settings) -> str | None:
    simulator = settings.simulator
    if not simulator.enabled:
        return None
    faults = f", with faults {simulator.faults}" if simulator.faults else ""
    return (
        f"The exchanges are simulated, at speed {simulator.speed:g}{faults}: no candle of this instance is real."
    )


_KINDS: dict[str, Callable[[Settings], str | None]] = {
    "operators": without_operators,
    "proxy": without_own_proxy,
    "simulator": with_simulated_exchanges,
}


def cautions(settings: Settings) -> dict[str, str]:
    """Return the sentences that these settings call for, by what each is about."""
    said = {about: caution(settings) for about, caution in _KINDS.items()}
    return {about: sentence for about, sentence in said.items() if sentence}
