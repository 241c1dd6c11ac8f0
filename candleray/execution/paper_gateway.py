"""A gateway to the paper exchange, which fills at the closes of live bars by a backtest's own rules.

Its clock stands at the close of the last bar that it was shown, and runs on from there: an order for that bar is
valid for seconds, whether the bar has closed now or hours ago.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from candleray.errors import OrderNotTaken, OrderRejected, OutcomeUnknown, invalid
from candleray.execution.fills import Balance, Fill, Position
from candleray.execution.gateway import KeyPermissions
from candleray.execution.orders import OrderReport, OrderRequest
from candleray.execution.paper_fills import ClosedBar, PaperLine, PaperTerms, exact, executed
from candleray.execution.paper_ledger import PaperLedger
from candleray.markets import Instrument


class PaperGateway:
    """One account, with one instrument."""

    def __init__(
        self,
        ledger: PaperLedger,
        instrument: Instrument,
        terms: PaperTerms,
        bar: ClosedBar,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._instrument, self._terms = ledger, instrument, terms
        self._bar, self._seconds, self._shown_s = bar, seconds, seconds()

    def show(self, bar: ClosedBar) -> None:
        """Fill at this close from now on; the clock goes on where it is the same bar."""
        if bar != self._bar:
            self._bar, self._shown_s = bar, self._seconds()

    async def now_ms(self) -> int:
        return self._now_ms()

    def _now_ms(self) -> int:
        return self._bar.at_ms + int((self._seconds() - self._shown_s) * 1000)

    async def permissions(self) -> KeyPermissions:
        return KeyPermissions(can_trade=True, can_withdraw=False)

    async def place(self, request: OrderRequest, valid_until_ms: int) -> OrderReport:
        self._require(request.instrument)

        def line_behind(last: PaperLine | None) -> PaperLine:
            # Within the transaction, for which another one may have been waited.
            now_ms = self._now_ms()
            if now_ms > valid_until_ms:
                raise OrderNotTaken(f"the order was valid until {valid_until_ms}, and it is {now_ms}")
            return executed(request, last, self._terms, self._bar, now_ms)

        line = await self._ledger.add(request.client_order_id, line_behind)
        if line is None:
            raise OutcomeUnknown(f"the paper exchange has the order {request.client_order_id} already")
        return line.report

    async def cancel(self, instrument: Instrument, client_order_id: str) -> None:
        self._require(instrument)
        raise OrderRejected(f"no order {client_order_id} is open: on paper each fills when it is taken")

    async def open_orders(self, instrument: Instrument) -> Sequence[OrderReport]:
        self._require(instrument)
        return []

    async def order(self, instrument: Instrument, client_order_id: str) -> OrderReport | None:
        self._require(instrument)
        line = await self._ledger.find(client_order_id)
        return line.report if line else None

    async def fills_since(self, instrument: Instrument, since_ms: int) -> Sequence[Fill]:
        self._require(instrument)
        return [line.fill for line in await self._ledger.since(since_ms)]

    async def position(self, instrument: Instrument) -> Position:
        self._require(instrument)
        last = await self._ledger.last()
        return Position(symbol=instrument.symbol, quantity=last.position if last else exact(0.0))

    async def balances(self) -> Sequence[Balance]:
        last = await self._ledger.last()
        total = last.balance if last else exact(self._terms.cash)
        used = abs(last.position) * last.entry_price if last else exact(0.0)
        return [Balance(asset="quote", total=total, available=total - used)]

    def _require(self, instrument: Instrument) -> None:
        if instrument != self._instrument:
            raise invalid("instrument", "other_instrument", f"{instrument.key} is not {self._instrument.key}")
