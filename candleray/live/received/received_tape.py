"""The minutes that a session of a run gets, and nothing else ever: a pure function of raw rows and hole verdicts.

Up to the seam, the first minute behind the newest that was known as the session started, a minute is what it was
known as then; one that was unknown is absent. From the seam on it is the version that came first, or absent by a
verdict that came before that. A minute that is neither is not decided yet, and no later one is before it. So a
runner, after any restart, and a certificate read the same bars, whatever is revised, late or filled meanwhile.

Where nothing was known at the start, the seam is the session's first bar that may trade: nothing before it will be
waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from candleray.candles import Candles, IntArray
from candleray.errors import InvalidInput, NotFound
from candleray.feeds.hole_store import HoleStore
from candleray.live.sessions import Session
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.ledger.all_versions import Versions
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, to_ms

OPEN_END_MS = 7_258_118_400_000
"""The year 2200, behind everything that is decided."""


@dataclass(frozen=True)
class ReceivedTape:
    """The part of a tape that is decided."""

    candles: Candles
    absent_ms: IntArray
    """Minutes from the seam on that are absent by verdict."""
    late_ms: Mapping[int, int]
    """Minutes among these whose candle came after the verdict, with the moment."""
    decided_ms: int
    """The first minute that is not decided, or the end of what was asked for."""


@dataclass(frozen=True)
class KnownMinutes:
    """All that is known of an instrument's minutes from one on: every version, and every verdict."""

    versions: Versions
    verdicts: Mapping[int, int]
    """Minutes with the moments at which they became holes."""

    def seam_ms(self, started_at_ms: int) -> int | None:
        """The seam of a session that started then; None where none of these minutes was known."""
        known = self.versions.candles.ts_open_ms[self.versions.seen_ms <= started_at_ms]
        return int(known[-1]) + MINUTE_MS if len(known) else None

    def received(self, started_at_ms: int, seam_ms: int, start_ms: int, end_ms: int) -> ReceivedTape:
        """The tape of `[start_ms, end_ms)` of a session with this seam."""
        seam_ms = min(max(seam_ms, start_ms), end_ms)
        before = self.versions.between(start_ms, seam_ms).as_of(started_at_ms)
        behind = self.live(seam_ms, end_ms)
        stamps = np.concatenate([before.ts_open_ms, behind.candles.ts_open_ms])
        values = np.concatenate([before.values, behind.candles.values], axis=1)
        return ReceivedTape(Candles(stamps, values), behind.absent_ms, behind.late_ms, behind.decided_ms)

    def late_ms(self) -> dict[int, int]:
        """The minutes whose candles came after their verdict, with the moments."""
        return _late(self.versions.first(), self.verdicts)

    def live(self, start_ms: int, end_ms: int = OPEN_END_MS) -> ReceivedTape:
        """The tape from a minute on that lies behind the seam of whoever asks."""
        first = self.versions.between(start_ms, end_ms).first()
        verdicts = {ts_ms: moment for ts_ms, moment in self.verdicts.items() if start_ms <= ts_ms < end_ms}
        late = _late(first, verdicts)
        places = np.searchsorted(first.candles.ts_open_ms, list(late))
        taken = first.without(places).candles
        stamps = set(taken.ts_open_ms.tolist())
        absent = np.array(sorted(verdicts.keys() - stamps), np.int64)
        decided_ms = _first_undecided(np.union1d(taken.ts_open_ms, absent), start_ms)
        return ReceivedTape(
            taken.between(start_ms, decided_ms),
            absent[absent < decided_ms],
            {ts_ms: seen_ms for ts_ms, seen_ms in late.items() if ts_ms < decided_ms},
            decided_ms,
        )


def _late(first: Versions, verdicts: Mapping[int, int]) -> dict[int, int]:
    """The minutes whose first version came after their verdict, with the moment of it."""
    stamps = first.candles.ts_open_ms
    found: dict[int, int] = {}
    for ts_ms, declared_ms in sorted(verdicts.items()):
        place = int(np.searchsorted(stamps, ts_ms))
        if place < len(stamps) and stamps[place] == ts_ms and declared_ms < first.seen_ms[place]:
            found[ts_ms] = int(first.seen_ms[place])
    return found


def _first_undecided(decided: IntArray, start_ms: int) -> int:
    """The end of the unbroken run of minutes that begins at the start."""
    expected = start_ms + np.arange(len(decided)) * MINUTE_MS
    breaks = np.flatnonzero(decided != expected)
    return start_ms + (int(breaks[0]) if len(breaks) else len(decided)) * MINUTE_MS


class ReceivedTapes:
    def __init__(self, store: CandleStoreClient, holes: HoleStore) -> None:
        self._store = store
        self._holes = holes

    async def of_session(
        self, instrument: Instrument, last: Session, start_ms: int, end_ms: int = OPEN_END_MS
    ) -> ReceivedTape:
        """Read a session's tape of an instrument of `[start_ms, end_ms)`.

        Raises:
            InvalidInput: the session starts in the future of the store's clock.
        """
        started_at_ms = to_ms(last.started_at)
        seam_ms = await self.seam(instrument, last)
        known = (await self.known({instrument: start_ms}, end_ms))[instrument]
        return known.received(started_at_ms, seam_ms, start_ms, end_ms)

    async def seam(self, instrument: Instrument, last: Session) -> int:
        """The session's first minute of the instrument that is live."""
        try:
            place = instrument.market_id, instrument.symbol
            _, seam_ms = await self._store.span_as_of(*place, to_ms(last.started_at))
        except NotFound:
            seam_ms = 0
        except InvalidInput as error:
            if error.problems[0].code != "before_first_version":
                raise
            seam_ms = 0
        return seam_ms or to_ms(last.live_from)

    async def known(
        self, starts: Mapping[Instrument, int], end_ms: int = OPEN_END_MS
    ) -> dict[Instrument, KnownMinutes]:
        """Read all that is known of instruments, each from its start on.

        Whoever reads twice finds what was decided before as it was.
        """
        # First the verdicts: a row that a verdict of these has not seen is there in the rows that are read then.
        verdicts = await self._holes.verdicts(starts, end_ms)
        found: dict[Instrument, KnownMinutes] = {}
        for market_id in sorted({one.market_id for one in starts}):
            ours = [one for one in starts if one.market_id == market_id]
            versions = await self._versions(market_id, ours, min(starts[one] for one in ours), end_ms)
            for one in ours:
                rows = versions.get(one.symbol, Versions.none()).between(starts[one], end_ms)
                found[one] = KnownMinutes(rows, verdicts[one])
        return found

    async def _versions(
        self, market_id: int, instruments: Iterable[Instrument], start_ms: int, end_ms: int
    ) -> dict[str, Versions]:
        symbols = [one.symbol for one in instruments]
        return await self._store.read_versions(market_id, symbols, start_ms, end_ms)
