"""Candleray: exact searches over trading strategies on one-minute candles."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candleray.errors import ApiError as ApiError
    from candleray.errors import BadFile as BadFile
    from candleray.errors import CandlerayError as CandlerayError
    from candleray.errors import Conflict as Conflict
    from candleray.errors import ExchangeError as ExchangeError
    from candleray.errors import Forbidden as Forbidden
    from candleray.errors import GuardExceeded as GuardExceeded
    from candleray.errors import InstanceError as InstanceError
    from candleray.errors import InvalidInput as InvalidInput
    from candleray.errors import MethodNotAllowed as MethodNotAllowed
    from candleray.errors import NotFound as NotFound
    from candleray.errors import PayloadTooLarge as PayloadTooLarge
    from candleray.errors import Problem as Problem
    from candleray.errors import RateLimited as RateLimited
    from candleray.errors import ServiceUnavailable as ServiceUnavailable
    from candleray.errors import TooManyRequests as TooManyRequests
    from candleray.errors import Unauthenticated as Unauthenticated
    from candleray.errors import UnsupportedMediaType as UnsupportedMediaType
    from candleray.sdk.client import Client as Client

    __version__: str

__all__ = [
    "ApiError",
    "BadFile",
    "CandlerayError",
    "Client",
    "Conflict",
    "ExchangeError",
    "Forbidden",
    "GuardExceeded",
    "InstanceError",
    "InvalidInput",
    "MethodNotAllowed",
    "NotFound",
    "PayloadTooLarge",
    "Problem",
    "RateLimited",
    "ServiceUnavailable",
    "TooManyRequests",
    "Unauthenticated",
    "UnsupportedMediaType",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: `import candleray` stays light for whoever needs one module of it.
    if name not in __all__:
        raise AttributeError(f"module 'candleray' has no attribute {name!r}")
    if name == "__version__":
        return import_module("importlib.metadata").version("candleray")
    return getattr(import_module("candleray.sdk.client" if name == "Client" else "candleray.errors"), name)


def __dir__() -> list[str]:
    return __all__
