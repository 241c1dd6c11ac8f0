"""Hole verdicts in Postgres: what readers and runners may rely on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from candleray.databases.postgres import Postgres
from candleray.feeds.minutes import Verdict
from candleray.markets import Instrument, Market
from candleray.timeframes import from_ms, to_ms


class HoleStore:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def declare(self, market: Market, verdicts: Sequence[Verdict]) -> None:
        """Keep verdicts; the same ones again change nothing but when they were asked last."""
        newest = {(verdict.symbol, verdict.ts_open_ms): verdict for verdict in verdicts}.values()
        await self._postgres.fetch(
            "declare_holes",
            market.market_id,
            [verdict.symbol for verdict in newest],
            [from_ms(verdict.ts_open_ms) for verdict in newest],
            [from_ms(verdict.first_asked_ms) for verdict in newest],
            [from_ms(verdict.last_asked_ms) for verdict in newest],
        )

    async def fill(self, market: Market, minutes: Sequence[tuple[str, int]]) -> None:
        """Note of holes, by symbol and minute, that their candles came after all."""
        symbols, stamps = [symbol for symbol, _ in minutes], [from_ms(ts_ms) for _, ts_ms in minutes]
        await self._postgres.fetch("fill_holes", market.market_id, symbols, stamps)

    async def open_holes_of(self, market: Market, start_ms: int, end_ms: int) -> list[tuple[str, int]]:
        """Symbol and minute of every hole of a market in `[start_ms, end_ms)`."""
        window = from_ms(start_ms), from_ms(end_ms)
        rows = await self._postgres.fetch("open_holes_of_market", market.market_id, *window)
        return [(row["symbol"], to_ms(row["ts_open"])) for row in rows]

    async def verdicts(self, starts: Mapping[Instrument, int], end_ms: int) -> dict[Instrument, dict[int, int]]:
        """Minutes of instruments, each from its start on, with the moments at which they became holes, in ms.

        Those whose candles came after all are among them.
        """
        places = [one.market_id for one in starts], [one.symbol for one in starts]
        rows = await self._postgres.fetch(
            "hole_verdicts", *places, [from_ms(start_ms) for start_ms in starts.values()], from_ms(end_ms)
        )
        found: dict[Instrument, dict[int, int]] = {one: {} for one in starts}
        for row in rows:
            one = Instrument(market_id=row["market_id"], symbol=row["symbol"])
            found[one][to_ms(row["ts_open"])] = to_ms(row["declared_at"])
        return found

    async def filled(self, instruments: Collection[Instrument], since_ms: int) -> dict[Instrument, list[int]]:
        """Minutes of instruments whose candles came after a verdict, as was noted since a moment."""
        places = [one.market_id for one in instruments], [one.symbol for one in instruments]
        found: dict[Instrument, list[int]] = {}
        for row in await self._postgres.fetch("filled_holes", *places, from_ms(since_ms)):
            one = Instrument(market_id=row["market_id"], symbol=row["symbol"])
            found.setdefault(one, []).append(to_ms(row["ts_open"]))
        return found

    async def asked_holes(self, instrument: Instrument, start_ms: int, end_ms: int) -> dict[int, int]:
        """The open holes of `[start_ms, end_ms)`, each with the moment at which it was asked for last."""
        window = from_ms(start_ms), from_ms(end_ms)
        rows = await self._postgres.fetch("open_holes", instrument.market_id, instrument.symbol, *window)
        return {to_ms(row["ts_open"]): to_ms(row["last_asked_at"]) for row in rows}

    async def note_asked(self, instrument: Instrument, holes_ms: Sequence[int], asked_ms: int) -> None:
        """Note of holes that they were asked for once more; one that was filled meanwhile stays so."""
        stamps = [from_ms(ts_ms) for ts_ms in holes_ms]
        await self._postgres.fetch(
            "note_holes_asked", instrument.market_id, instrument.symbol, stamps, from_ms(asked_ms)
        )

    async def open_holes(self, instrument: Instrument, start_ms: int, end_ms: int) -> list[int]:
        """The minutes of `[start_ms, end_ms)` that the exchange does not have."""
        window = from_ms(start_ms), from_ms(end_ms)
        rows = await self._postgres.fetch("open_holes", instrument.market_id, instrument.symbol, *window)
        return [to_ms(row["ts_open"]) for row in rows]
