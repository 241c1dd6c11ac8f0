"""Services that are opened by the first call that needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from pydantic import SecretStr

from candleray.errors import InstanceError


class Pingable(Protocol):
    async def ping(self) -> None: ...

    async def close(self) -> None: ...


ServiceT = TypeVar("ServiceT", bound=Pingable)


class LazyService(Generic[ServiceT]):
    """A service opened by the first call that reaches it; what needs it sometimes starts without it."""

    def __init__(
        self, open_url: Callable[[str], Awaitable[ServiceT]], url: SecretStr | None, setting: str
    ) -> None:
        self._open_url = open_url
        self._url = url
        self._setting = setting
        self._opening = asyncio.Lock()
        self._service: ServiceT | None = None

    async def get(self) -> ServiceT:
        async with self._opening:
            if self._service is None:
                if self._url is None:
                    raise InstanceError(f"the setting {self._setting} names no address")
                self._service = await self._open_url(self._url.get_secret_value())
            return self._service

    async def ping(self) -> None:
        await (await self.get()).ping()

    async def close(self) -> None:
        if self._service is not None:
            await self._service.close()
