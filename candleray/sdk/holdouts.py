"""The client's methods about holdouts: candles that are sealed before a search, and opened once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from candleray.holdouts.holdout import Holdout, HoldoutPage
from candleray.sdk.connection import Sender, encoded, read
from candleray.sdk.references import HOLDOUT, STRATEGY, find_id


class HoldoutMethods(Sender):
    """Candles that no search of yours reads; a request's `{"holdout": {"months": 3}}` seals them."""

    def holdouts(self) -> list[Holdout]:
        """Your holdouts, the newest first.

        >>> client.holdouts()
        []
        """
        return list(read(HoldoutPage, self.send("GET", "/holdouts")).holdouts)

    def holdout(self, holdout_id: UUID | str) -> Holdout:
        """One holdout: sealed, or with what the chosen strategies did.

        >>> wide = {"start": "2024-11-01", "end": "2025-02-02"}
        >>> result = client.backtest({**request, "time_range": wide, "holdout": {"months": 1}})
        >>> client.holdout(result.holdout.holdout_id).is_sealed
        True
        """
        return read(Holdout, self.send("GET", f"/holdouts/{find_id(self, HOLDOUT, holdout_id)}"))

    def open_holdout(self, holdout_id: UUID | str, strategies: Sequence[UUID | str]) -> Holdout:
        """Run saved strategies over the sealed candles, once, and break the seal.

        Asked again for the same strategies after a lost connection, it goes on where it was.

        Raises:
            Conflict: it was opened, or is being opened for other strategies.
            InvalidInput: a strategy trades another symbol, or is named twice.

        >>> wide = {"start": "2024-11-01", "end": "2025-02-02"}
        >>> result = client.backtest({**request, "time_range": wide, "holdout": {"months": 1}})
        >>> opened = client.open_holdout(result.holdout.holdout_id, [strategy.name])
        >>> [one.name == strategy.name for one in opened.results]
        [True]
        """
        chosen = [find_id(self, STRATEGY, one) for one in strategies]
        path = f"/holdouts/{find_id(self, HOLDOUT, holdout_id)}/open"
        return read(Holdout, self.send("POST", path, content=encoded({"strategies": chosen}), repeatable=False))
