"""The target of attacks, which keeps each answer and how long it took."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from candleray.databases.postgres import Postgres

Statuses = frozenset[int]


@dataclass(frozen=True)
class Refusal:
    asked: str
    answer: httpx.Response
    seconds: float

    @property
    def is_uniform(self) -> bool:
        """True for the one payload that every failure has."""
        try:
            told = self.answer.json()
            problems = told["error"]["problems"]
        except (ValueError, KeyError, TypeError):
            return False
        return (
            set(told) == {"error"}
            and set(told["error"]) == {"code", "message", "problems"}
            and all(set(problem) == {"field", "code", "message"} for problem in problems)
        )


@dataclass
class Target:
    """An API, and the database behind it for what only time would bring about."""

    api: httpx.AsyncClient
    postgres: Postgres
    refusals: list[Refusal] = field(default_factory=list)

    async def attack(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send what must be refused; the time it takes counts."""
        began = time.perf_counter()
        answer = await self.api.request(method, path, **request)
        self.refusals.append(Refusal(f"{method} {path} {request}"[:300], answer, time.perf_counter() - began))
        return answer

    async def change(self, sql: str, *arguments: Any) -> None:
        async with self.postgres.connection() as connection:
            await connection.execute(sql, *arguments)


@dataclass(frozen=True)
class Attack:
    name: str
    statuses: Statuses
    """The statuses that an answer may have."""
    run: Callable[[Target], Awaitable[None]]

    def failures(self, target: Target) -> list[str]:
        """Return the answers that refuse nothing, or not in the one payload; all where nothing was tried."""
        wrong = [
            f"{one.asked}: {one.answer.status_code} {one.answer.text[:200]}"
            for one in target.refusals
            if one.answer.status_code not in self.statuses or not one.is_uniform
        ]
        return wrong if target.refusals else [f"{self.name}: nothing was tried"]
