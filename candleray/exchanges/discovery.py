"""Every venue there is: the modules of this package that hold an `EXCHANGE`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from candleray.exchanges.exchange import Exchange


def _discover() -> Iterator[Exchange]:
    for found in iter_modules([str(Path(__file__).parent)]):
        module = import_module(f"{__package__}.{found.name}")
        exchange = getattr(module, "EXCHANGE", None)
        if isinstance(exchange, Exchange):
            yield exchange


EXCHANGES: dict[str, Exchange] = {exchange.name: exchange for exchange in _discover()}
"""By name, which is the `exchange` of its markets."""
