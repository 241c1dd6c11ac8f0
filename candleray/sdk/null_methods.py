"""Null models by the SDK: many histories of chance, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from candleray.backtests.chance.null_model import NullModel, joined
from candleray.backtests.request import BacktestRequest
from candleray.errors import GuardExceeded
from candleray.sdk.connection import Sender, read
from candleray.sdk.references import request_body

AT_ONCE = 25
"""Histories of one answer at most: fewer where so many would take too long."""


class NullMethods(Sender):
    """The best of a search beside what luck alone reaches."""

    def null(
        self,
        request: BacktestRequest | Mapping[str, Any] | bytes,
        walks: int = 200,
        *,
        model: str = "walk",
        seed: int = 0,
    ) -> NullModel:
        """Search so many histories of chance, and say how often luck alone reaches the best of the search.

        Args:
            model: `walk`, random walks with the volatility of the candles; `blocks`, the candles in another order,
                a day of bars at a time.
            seed: of all histories; the same seed gives the same bytes.

        Raises:
            InvalidInput: one problem a field; the request reads other candles than its own.
            GuardExceeded: the search is too large for one answer, or even one history takes too long.

        >>> luck = client.null(request, walks=3)
        >>> luck.walks, luck.p >= 0.25
        (3, True)
        """
        *_, whole = self.null_parts(request, walks, model=model, seed=seed)
        return whole

    def null_parts(
        self,
        request: BacktestRequest | Mapping[str, Any] | bytes,
        walks: int = 200,
        *,
        model: str = "walk",
        seed: int = 0,
        at_once: int = AT_ONCE,
    ) -> Iterator[NullModel]:
        """Do the same, and yield what is known after each answer; the last is the whole.

        >>> [luck.walks for luck in client.null_parts(request, 3, at_once=2)]
        [2, 3]
        """
        body, told = request_body(self, request), None
        while told is None or told.walks < walks:
            first = 0 if told is None else told.walks
            query: dict[str, str | int | list[str] | None] = {
                "model": model,
                "seed": seed,
                "first": first,
                "walks": max(1, min(at_once, walks - first)),
            }
            try:
                part = read(NullModel, self.send("POST", "/backtests/null", content=body, params=query))
            except GuardExceeded as error:
                if at_once == 1 or {problem.field for problem in error.problems} != {"seconds"}:
                    raise
                at_once //= 2
                continue
            told = part if told is None else joined([told, part])
            yield told
