"""A network that loses, holds back, doubles, spoils and delays requests and answers, as a seed draws it."""

from __future__ import annotations

from collections import Counter
from random import Random

import httpx

from candleray.execution.reconciler import SETTLING_MS
from tests.support.simulated import Clock

_OF_CHANGES = {
    "pass": 10,
    "lost": 2,  # it never arrives
    "held": 3,  # it arrives later, perhaps much later
    "unanswered": 4,  # it arrives; its answer does not
    "doubled": 2,
    "limited": 2,
    "bad_gateway": 1,
    "spoilt": 2,  # half of the answer
}
_OF_READS = {"pass": 20, "unanswered": 1, "limited": 1, "stale": 4, "spoilt": 1}


class Killed(BaseException):
    """The process is gone at this very place."""


class HostileWire(httpx.AsyncBaseTransport):
    """The network to one venue; `calm` ends all trouble, and lets what was held back arrive."""

    def __init__(self, inner: httpx.AsyncBaseTransport, clock: Clock, random: Random) -> None:
        self._inner, self._clock, self._random = inner, clock, random
        self._held: list[httpx.Request] = []
        self._old: dict[str, tuple[float, httpx.Response]] = {}
        self.is_calm, self.met = False, Counter[str]()
        self.off_ms = random.randint(-900, 900)
        """The clock that the venue tells, beside the one that it checks requests by."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._let_arrive()
        weights = _OF_READS if request.method == "GET" else _OF_CHANGES
        kind = "pass" if self.is_calm else self._random.choices(list(weights), list(weights.values()))[0]
        self.met[f"{request.method} {kind}"] += 1
        match kind:
            case "lost":
                raise httpx.ReadTimeout("lost")
            case "held":
                self._held.append(request)
                raise httpx.ReadTimeout("held back")
            case "limited":
                return self._limited(request)
            case "bad_gateway":
                return httpx.Response(502, content=b"<html>Bad Gateway</html>")
            case "stale" if (old := self._recent(request)) is not None:
                return old
        answer = await self._deliver(request)
        if kind == "doubled":
            # Either answer may be the one that comes.
            second = await self._deliver(request)
            answer = self._random.choice([answer, second])
        if kind == "unanswered":
            raise httpx.ReadTimeout("the answer is lost")
        if kind == "spoilt":
            return httpx.Response(answer.status_code, content=answer.content[: len(answer.content) // 2])
        return answer

    async def _deliver(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        content = await answer.aread()
        kept = httpx.Response(answer.status_code, content=self._shifted(request, content))
        self._old[_subject(request)] = self._clock.now_s, kept
        return httpx.Response(kept.status_code, content=kept.content)

    def _shifted(self, request: httpx.Request, content: bytes) -> bytes:
        """The time that the venue tells is off; of Bybit's, whose seconds are text, it is not."""
        if not request.url.path.endswith("/fapi/v1/time"):
            return content
        told = int(content.decode().partition(":")[2].rstrip("}"))
        return f'{{"serverTime":{told + self.off_ms}}}'.encode()

    def _recent(self, request: httpx.Request) -> httpx.Response | None:
        """An answer of a moment ago; the clock's own is always new."""
        at_s, answer = self._old.get(_subject(request), (float("-inf"), None))
        if answer is None or request.url.path.endswith("/time"):
            return None
        is_recent = (self._clock.now_s - at_s) * 1000 < SETTLING_MS - 1000
        return httpx.Response(answer.status_code, content=answer.content) if is_recent else None

    def _limited(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v5"):
            return httpx.Response(200, json={"retCode": 10006, "retMsg": "Too many visits", "result": {}})
        return httpx.Response(429, json={"code": -1003, "msg": "Too many requests"})

    async def _let_arrive(self) -> None:
        for request in list(self._held):
            if self.is_calm or self._random.random() < 0.25:
                self._held.remove(request)
                await self._deliver(request)


def _subject(request: httpx.Request) -> str:
    """Words for what is asked, whenever it is asked."""
    names = ("symbol", "origClientOrderId", "orderLinkId", "openOnly", "startTime")
    asked = [request.url.params.get(name, "") for name in names]
    return "/".join([request.method, request.url.path, *asked])
