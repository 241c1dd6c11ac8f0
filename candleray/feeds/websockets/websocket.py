"""Websockets of exchanges by cryptofeed, the `live` extra.

Of cryptofeed 2.x its connection is used: handshake, frames, closing. Its feeds are not, because each of these has
cost minutes (measured with 2.4.1):

- a feed's set of symbols is fixed, so that one more subscription drops the socket of all;
- it asks the venue's REST interface for every symbol before it begins, without a timeout, and cannot without it;
- one frame that it does not know (`!serverShutdown` has no `@`) or one exception ends the socket of all symbols;
- its watchdog never fires before a first frame, its pauses double without end, its dead tasks nobody sees;
- its address of Binance's futures acknowledges subscriptions and never sends a candle;
- it subscribes Bybit one frame a symbol, unpaced, and drops quote volume and trades.

3.x is AGPL: the extra holds `<3`.
"""

from __future__ import annotations

import atexit
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from candleray.errors import ServiceUnavailable
from candleray.network.own_addresses import is_own

MISSING = (
    "cryptofeed is not installed (the extra `live`, which needs a C compiler): candles come by REST shortly after "
    "each close"
)

_MOST_BYTES = 4 * 2**20
_PING_S = 20.0
OPEN_S = 10.0
"""Seconds that a handshake may take."""


class Connection(Protocol):
    """An open websocket."""

    def frames(self) -> AsyncIterator[str | bytes]:
        """Frames until the other side closes; raises `ServiceUnavailable` where it breaks off."""
        ...

    async def send(self, text: str) -> None: ...


Connect: TypeAlias = Callable[[str], AbstractAsyncContextManager[Connection]]
"""Opens a websocket at a URL; raises `ServiceUnavailable` where there is none."""


def is_available() -> bool:
    return find_spec("cryptofeed") is not None


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Connection]:
    """Open a websocket by cryptofeed.

    Raises:
        ServiceUnavailable: nothing there speaks websocket; the text says what it said instead.
    """
    options: dict[str, Any] = {"max_size": _MOST_BYTES, "ping_interval": _PING_S, "ping_timeout": _PING_S}
    options["open_timeout"] = OPEN_S
    if is_own(urlsplit(url).hostname or ""):
        options["proxy"] = None
    socket = _socket_class()(url, **options)
    try:
        await socket._open()
    except Exception as error:
        raise ServiceUnavailable(f"{url}: {_in_words(error)}") from error
    try:
        yield _CryptofeedConnection(socket, url)
    finally:
        await socket.close()


@cache
def _socket_class() -> Any:
    # Imported here: it takes a second and 27 MB, which only a process with sockets is to pay. Once: the class of
    # each connection would stay until the collector goes through everything.
    from cryptofeed.connection import AsyncConnection, WSAsyncConn

    class Socket(WSAsyncConn):
        """Cryptofeed's connection, to `ws://` too, which it refuses although the simulator speaks it."""

        def __init__(self, address: str, **options: Any) -> None:
            self.address, self.ws_kwargs = address, options
            AsyncConnection.__init__(self, "candleray")
            atexit.unregister(self.__del__)  # else each connection ever made is kept to the end

    return Socket


class _CryptofeedConnection:
    def __init__(self, socket: Any, url: str) -> None:
        self._socket, self._url = socket, url

    async def frames(self) -> AsyncIterator[str | bytes]:
        try:
            async for frame in self._socket.read():
                yield frame
        except Exception as error:
            raise ServiceUnavailable(f"{self._url}: {_in_words(error)}") from error

    async def send(self, text: str) -> None:
        try:
            await self._socket.write(text)
        except Exception as error:
            raise ServiceUnavailable(f"{self._url}: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": ")
