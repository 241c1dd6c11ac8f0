"""The candles that were stored against those that the simulated exchanges have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candleray.candles import FloatArray
from candleray.errors import NotFound
from candleray.markets import Instrument
from candleray.simulator.faults.value_faults import REST_DIFFERS
from candleray.timeframes import MINUTE_MS, iso_or_ms
from tests.support.feeds.ingestion_rig import IngestionRig
from tests.support.feeds.store_process import ask_store

_PAGE_MINUTES = 40_000


@dataclass(frozen=True)
class Followed:
    """Minutes of an instrument that must be there: those that open in `[start_ms, end_ms)`."""

    instrument: Instrument
    start_ms: int
    end_ms: int


@dataclass
class Difference:
    """Minutes that are not as they must be, by instrument."""

    minutes: int = 0
    versions: int = 0
    lost: dict[str, list[int]] = field(default_factory=dict)
    not_in_raw: dict[str, list[int]] = field(default_factory=dict)
    invented: dict[str, list[int]] = field(default_factory=dict)
    wrong: dict[str, list[int]] = field(default_factory=dict)
    as_told: dict[str, list[int]] = field(default_factory=dict)
    """Minutes that are as the websocket said, and that REST, unasked, has otherwise by its fault."""
    doubled: dict[str, list[int]] = field(default_factory=dict)
    """Minutes of which one version follows an equal one."""
    told: list[str] = field(default_factory=list)
    """Words on each minute that is wrong or invented."""

    @property
    def kinds(self) -> dict[str, dict[str, list[int]]]:
        return {
            "lost": self.lost,
            "not in raw": self.not_in_raw,
            "invented": self.invented,
            "wrong": self.wrong,
            "versions twice": self.doubled,
        }

    def counts(self) -> dict[str, int]:
        return {name: sum(map(len, found.values())) for name, found in self.kinds.items()}

    def is_empty(self) -> bool:
        return not any(self.counts().values())


class Comparison:
    def __init__(self, rig: IngestionRig) -> None:
        self._rig = rig
        self._faults: dict[tuple[Any, ...], dict[str, Any]] = {}

    def of(self, followed: Iterable[Followed]) -> Difference:
        """Everything that differs over what was followed."""
        found = Difference()
        for one in followed:
            self._compare(one, found)
        return found

    def lost(self, one: Followed) -> list[int]:
        """Minutes that the exchange has and canonical lacks."""
        truth = self._truth(one)
        return _missing(truth[:, 0], self._canonical(one)[:, 0])

    def faults(self) -> list[dict[str, Any]]:
        """The faults that concerned what was compared, as the simulator tells them."""
        return list(self._faults.values())

    def _compare(self, one: Followed, found: Difference) -> None:
        truth, canonical = self._truth(one), self._canonical(one)
        versions = self._versions(one)
        found.minutes += len(truth)
        found.versions += len(versions)
        stamps, key = truth[:, 0], one.instrument.key
        _note(found.lost, key, _missing(stamps, canonical[:, 0]))
        _note(found.not_in_raw, key, _missing(stamps, versions[:, 0]))
        invented = _missing(np.concatenate([canonical[:, 0], versions[:, 0]]), stamps)
        _note(found.invented, key, invented)
        told = set(self._told_otherwise(one))
        wrong = _wrong(truth, canonical, versions)
        _note(found.wrong, key, [ts_ms for ts_ms in wrong if ts_ms not in told])
        found.told += [f"{key} {_words(ts_ms, truth, versions)}" for ts_ms in (*wrong, *invented)]
        _note(found.as_told, key, [ts_ms for ts_ms in wrong if ts_ms in told])
        _note(found.doubled, key, _doubled(versions))

    def _told_otherwise(self, one: Followed) -> list[int]:
        """Minutes of which the websocket told a first version that REST never had."""
        return [
            fault["start_ms"] // MINUTE_MS * MINUTE_MS
            for fault in self._faults.values()
            if fault["kind"] == REST_DIFFERS.name
            and (fault["market"], fault["symbol"]) == (one.instrument.market.name, one.instrument.symbol)
        ]

    def _truth(self, one: Followed) -> FloatArray:
        """Rows of eight cells: stamp, five prices, quote volume, trades."""
        pages = []
        for start_ms in range(one.start_ms, one.end_ms, _PAGE_MINUTES * MINUTE_MS):
            place = {"market": one.instrument.market.name, "symbol": one.instrument.symbol, "start": start_ms}
            end_ms = min(one.end_ms, start_ms + _PAGE_MINUTES * MINUTE_MS)
            answer = self._rig.venue.get("/simulator/truth", params={**place, "end": end_ms})
            assert answer.status_code == 200, answer.text
            pages += answer.json()["candles"]
            for fault in answer.json()["faults"]:
                self._faults[fault["kind"], fault["market"], fault["symbol"], fault["start_ms"]] = fault
        return np.array(pages, np.float64).reshape(-1, 8)

    def _canonical(self, one: Followed) -> FloatArray:
        where = one.instrument.market_id, one.instrument.symbol, one.start_ms, one.end_ms
        try:
            candles = ask_store(self._rig.store_path, "read", *where)
        except NotFound:
            return np.empty((0, 6))
        return np.column_stack([candles.ts_open_ms.astype(np.float64), candles.values.T])

    def _versions(self, one: Followed) -> FloatArray:
        """Every version in order: stamp, five prices, quote volume, trades."""
        rows = np.array(self._rig.raw(one.instrument, one.start_ms, one.end_ms - 1), np.float64).reshape(-1, 9)
        return rows[:, [0, 1, 2, 3, 4, 5, 7, 8]]


def _missing(wanted: FloatArray, there: FloatArray) -> list[int]:
    return [int(ts_ms) for ts_ms in np.setdiff1d(wanted, there)]


def _wrong(truth: FloatArray, canonical: FloatArray, versions: FloatArray) -> list[int]:
    """Minutes whose canonical candle, or whose last version, is not the exchange's."""
    _, at, of = np.intersect1d(truth[:, 0], canonical[:, 0], return_indices=True)
    differs = (truth[at, 1:6] != canonical[of, 1:6]).any(axis=1)
    last = versions[np.append(versions[1:, 0] != versions[:-1, 0], True)] if len(versions) else versions
    _, raw_at, raw_of = np.intersect1d(truth[:, 0], last[:, 0], return_indices=True)
    known = last[raw_of, 1:8]
    raw_differs = ((truth[raw_at, 1:8] != known) & ~np.isnan(known)).any(axis=1)
    return sorted({int(ts) for ts in truth[at, 0][differs]} | {int(ts) for ts in truth[raw_at, 0][raw_differs]})


def _words(ts_ms: int, truth: FloatArray, versions: FloatArray) -> str:
    has, stored = (rows[rows[:, 0] == ts_ms, 1:].tolist() for rows in (truth, versions))
    return f"{iso_or_ms(ts_ms)}: the exchange has {has}, raw {stored}"


def _doubled(versions: FloatArray) -> list[int]:
    same = (versions[1:, :6] == versions[:-1, :6]).all(axis=1) & _agree(versions[1:, 6:8], versions[:-1, 6:8])
    return [int(ts) for ts in versions[1:, 0][same]]


def _agree(one: FloatArray, other: FloatArray) -> NDArray[np.bool_]:
    agrees: NDArray[np.bool_] = ((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)
    return agrees


def _note(found: dict[str, list[int]], key: str, stamps: Sequence[int]) -> None:
    if stamps:
        found.setdefault(key, []).extend(stamps)
