"""The client's methods about runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from candleray.live.certificates.certificate import Certificate
from candleray.live.certificates.verification import Verification
from candleray.live.order_records import RunHalt
from candleray.live.run import Run, RunPage, StartedRun
from candleray.live.run_history import RunHistory
from candleray.paging import collected
from candleray.sdk.connection import Sender, encoded, read
from candleray.sdk.market_data import Time, utc_text
from candleray.sdk.references import RUN, STRATEGY, find_id

_PAGE_RUNS = 500


class RunMethods(Sender):
    """Strategies that run live."""

    def start_run(self, strategy_id: UUID | str, mode: str = "signals") -> StartedRun:
        """Create a live run of a strategy, in state `starting`; a runner takes it from there.

        Args:
            mode: `signals`, or `paper` to have it make orders too, at the paper exchange.

        Raises:
            Conflict: it has an active run, which the message names.
            InvalidInput: what it reads is not traded, not ingested or not stored; with the command that brings it.
            GuardExceeded: you have as many active runs as one may.

        >>> run = client.start_run(strategy.strategy_id)
        >>> run.state.value
        'starting'
        """
        body = encoded({"strategy_id": find_id(self, STRATEGY, strategy_id), "mode": mode})
        return read(StartedRun, self.send("POST", "/runs", content=body, repeatable=False))

    def runs(
        self, strategy_id: UUID | str | None = None, state: str | None = None, limit: int | None = None
    ) -> list[Run]:
        """Your runs, the newest first; those of one strategy, or in one state.

        >>> run = client.start_run(strategy.strategy_id)
        >>> [listed.run_id == run.run_id for listed in client.runs(state="starting")]
        [True]
        """
        chosen = None if strategy_id is None else str(find_id(self, STRATEGY, strategy_id))
        wanted = {"strategy_id": chosen, "state": state}

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[Run], str | None]:
            params = {**wanted, "limit": size, "cursor": cursor}
            page = read(RunPage, self.send("GET", "/runs", params=params))
            return page.runs, page.next_cursor

        return collected(read_page, limit, _PAGE_RUNS)

    def run(self, run_id: UUID | str) -> RunHistory:
        """A run and the events that led to its state.

        >>> run = client.start_run(strategy.strategy_id)
        >>> [event.to_state.value for event in client.run(run.run_id).events]
        ['starting']
        """
        return read(RunHistory, self.send("GET", self._run_path(run_id)))

    def stop_run(self, run_id: UUID | str) -> Run:
        """Stop a run.

        Raises:
            Conflict: its state does not take it.

        >>> run = client.start_run(strategy.strategy_id)
        >>> client.stop_run(run.run_id).state.value
        'stopping'
        """
        return read(Run, self.send("POST", f"{self._run_path(run_id)}/stop", repeatable=False))

    def halt_run(self, run_id: UUID | str) -> RunHalt:
        """Pull the kill switch of a run in mode `paper`: it makes no order any more, for good; its signals go on.

        Raises:
            Conflict: its mode is `signals`.

        >>> run = client.start_run(strategy.strategy_id, mode="paper")
        >>> client.halt_run(run.run_id).reason
        'its user has pulled the kill switch'
        """
        return read(RunHalt, self.send("POST", f"{self._run_path(run_id)}/halt"))

    def restart_run(self, run_id: UUID | str) -> StartedRun:
        """Start a run again that is stopped, failed or stopping.

        Raises:
            Conflict: its state does not take it.
            InvalidInput: as by `start_run`.

        >>> run = client.start_run(strategy.strategy_id)
        >>> run = client.stop_run(run.run_id)
        >>> client.restart_run(run.run_id).state.value
        'starting'
        """
        return read(StartedRun, self.send("POST", f"{self._run_path(run_id)}/run", repeatable=False))

    def certificate(self, run_id: UUID | str, start: Time | None = None, end: Time | None = None) -> Certificate:
        """Hold what a run has said against the backtest of the same bars, to the bit, and name what differs.

        Args:
            start: bars that open from here on; without it, and without `end`, all that the run has taken.
            end: bars that have closed by then.

        >>> run = client.start_run(strategy.strategy_id)
        >>> client.certificate(run.run_id).verdict.value
        'empty'
        """
        given = {"from": start, "to": end}
        window = {name: utc_text(time, name) for name, time in given.items() if time is not None}
        return read(Certificate, self.send("GET", f"{self._run_path(run_id)}/certificate", params=window))

    def verify_certificate(self, certificate: Certificate | Mapping[str, Any] | bytes) -> Verification:
        """Compute a certificate again from the candles of this client's instance, whoever has made it.

        >>> run = client.start_run(strategy.strategy_id)
        >>> client.verify_certificate(client.certificate(run.run_id)).finding.value
        'confirmed'
        """
        return read(Verification, self.send("POST", "/certificates/verify", content=encoded(certificate)))

    def _run_path(self, run_id: UUID | str) -> str:
        return f"/runs/{find_id(self, RUN, run_id)}"
