"""What of a client is about runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

from candleray.live.run import Run, RunHistory, RunPage
from candleray.paging import collected
from candleray.sdk.connection import encoded, read

_PAGE = 500


class RunMethods:
    """The client's methods that are about runs."""

    def start_run(self: Any, strategy_id: UUID | str) -> Run:
        """Run a strategy live.

        Raises:
            Conflict: it has an active run, which the message names.
        """
        body = encoded({"strategy_id": str(strategy_id)})
        return read(Run, self.send("POST", "/runs", content=body, repeatable=False))

    def runs(
        self: Any, strategy_id: UUID | str | None = None, state: str | None = None, limit: int | None = None
    ) -> list[Run]:
        """Your runs, the newest first; of one strategy or in one state alone."""
        chosen = {"strategy_id": None if strategy_id is None else str(strategy_id), "state": state}

        def page(size: int, cursor: str | None) -> tuple[Sequence[Run], str | None]:
            params = {**chosen, "limit": size, "cursor": cursor}
            answer = read(RunPage, self.send("GET", "/runs", params=params))
            return answer.runs, answer.next_cursor

        return collected(page, limit, _PAGE)

    def run(self: Any, run_id: UUID | str) -> RunHistory:
        """A run and the events that led to its state."""
        return read(RunHistory, self.send("GET", f"/runs/{quote(str(run_id), safe='')}"))

    def stop_run(self: Any, run_id: UUID | str) -> Run:
        """Raises Conflict: its state does not take it."""
        return _move(self, run_id, "stop")

    def restart_run(self: Any, run_id: UUID | str) -> Run:
        """Start a run again that is stopped, failed or stopping.

        Raises:
            Conflict: its state does not take it.
        """
        return _move(self, run_id, "run")


def _move(client: Any, run_id: UUID | str, action: str) -> Run:
    return read(Run, client.send("POST", f"/runs/{quote(str(run_id), safe='')}/{action}", repeatable=False))
