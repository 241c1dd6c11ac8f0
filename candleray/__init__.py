"""Candleray: exact searches over trading strategies on one-minute candles."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candleray.errors import *  # noqa: F403
    from candleray.sdk.client import Client as Client

    __version__: str


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: `import candleray` stays light for whoever needs one module of it.
    if name == "__version__":
        return import_module("importlib.metadata").version("candleray")
    if name == "Client":
        return import_module("candleray.sdk.client").Client
    errors = import_module("candleray.errors")
    exported = {cls.__name__: cls for cls in errors.error_classes().values()} | {"Problem": errors.Problem}
    if name == "__all__":
        return sorted({*exported, "Client", "__version__"})
    if name in exported:
        return exported[name]
    raise AttributeError(f"module 'candleray' has no attribute {name!r}")


def __dir__() -> list[str]:
    names: list[str] = __getattr__("__all__")
    return names
