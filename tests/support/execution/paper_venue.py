"""An account at the paper exchange, with a clock that stands, as the rules of gateways want one."""

from __future__ import annotations

from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.execution.paper_fills import ClosedBar, PaperTerms
from candleray.execution.paper_gateway import PaperGateway
from candleray.execution.paper_ledger import PaperLedger
from candleray.markets import Instrument
from tests.support.execution.rows import new_run
from tests.support.simulated import NOW_MS, Clock

BAR = ClosedBar(NOW_MS, 60_000.0)
TERMS = PaperTerms(10_000.0, fee=0.001, slippage=0.0005)


class PaperVenue:
    def __init__(self, postgres: Postgres, user_id: UUID) -> None:
        self._postgres, self._user_id = postgres, user_id
        self.instrument = Instrument(market_id=2, symbol="BTCUSDT")
        self.clock = Clock()
        self.run_id = UUID(int=0)

    async def open(self) -> PaperGateway:
        """Make a run, and return the gateway to its account."""
        self.run_id = await new_run(self._postgres, self._user_id, self.instrument, mode="paper")
        return self.gateway()

    def gateway(self) -> PaperGateway:
        ledger = PaperLedger(self._postgres, self.run_id, 1)
        return PaperGateway(ledger, self.instrument, TERMS, BAR, seconds=self.clock)
