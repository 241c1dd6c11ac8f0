"""Account of an ingestion that is over: raw, canonical and the streams held against what the exchange has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS
from tests.support.feeds.ingestion_rig import IngestionRig
from tests.support.feeds.store_process import ask_store
from tests.support.feeds.stream_witness import StreamWitness


@dataclass
class IngestionAccount:
    """Minutes of all instruments; each list names what should not be, as `instrument minute`."""

    minutes: int = 0
    entries: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    not_canonical: list[str] = field(default_factory=list)
    not_in_stream: list[str] = field(default_factory=list)
    before_raw: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, list[str]]:
        named = (
            ("lost", self.lost),
            ("doubled", self.doubled),
            ("wrong", self.wrong),
            ("not in canonical", self.not_canonical),
            ("not in the stream", self.not_in_stream),
            ("in the stream before raw", self.before_raw),
        )
        return {name: found for name, found in named if found}

    def line(self) -> str:
        return (
            f"{self.minutes:,} minutes: {len(self.lost)} lost, {len(self.doubled)} doubled, "
            f"{len(self.wrong)} wrong, {len(self.not_canonical)} not in canonical; "
            f"{self.entries:,} stream entries seen: {len(self.not_in_stream)} missing, "
            f"{len(self.before_raw)} before their raw row"
        )


def account_of(rig: IngestionRig, witness: StreamWitness, end_ms: int) -> IngestionAccount:
    """Account of what opens before `end_ms`."""
    account = IngestionAccount(entries=witness.asked, before_raw=list(witness.early))
    for one in rig.instruments:
        _add(account, rig, witness, one, end_ms)
    return account


def _add(
    account: IngestionAccount, rig: IngestionRig, witness: StreamWitness, one: Instrument, end_ms: int
) -> None:
    rows = rig.raw(one, 0, end_ms - 1)
    stamps = [row[0] for row in rows]
    stored = {row[0]: row[1:6] for row in rows}
    first_ms = stamps[0]
    truth = rig.truth(one, first_ms, end_ms)
    candles = ask_store(rig.store_path, "read", one.market_id, one.symbol, first_ms, end_ms)
    canonical = dict(zip(candles.ts_open_ms.tolist(), map(tuple, candles.values.T.tolist()), strict=True))
    seen = witness.seen[one]
    account.minutes += len(truth)

    def named(minutes: Iterable[int]) -> list[str]:
        return [f"{one.key} {ts_ms}" for ts_ms in sorted(minutes)]

    assert len(truth) == (end_ms - first_ms) // MINUTE_MS, f"{one.key}: the exchange itself lacks minutes"
    account.lost += named(truth.keys() - stored.keys())
    times = Counter(stamps)
    account.doubled += [f"{one.key} {row}" for row in rows if times[row[0]] > 1]
    account.wrong += named(ts_ms for ts_ms, values in stored.items() if truth.get(ts_ms) != values)
    account.not_canonical += named(ts_ms for ts_ms in truth if canonical.get(ts_ms) != truth[ts_ms])
    account.not_in_stream += named(ts_ms for ts_ms in truth if ts_ms >= min(seen) and ts_ms not in seen)
