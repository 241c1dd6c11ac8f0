"""Where a search stands, as bytes: another driver goes on from there and gets the same answer."""

from __future__ import annotations

import io
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from candleray.intervals import Intervals
from candleray.search.rankings import Ranking


class Sweep:
    """One ranking phase: the best `k` of the variants `0 … total-1` that are covered so far."""

    def __init__(
        self, phase: str, total: int, k: int, covered: Intervals | None = None, ranking: Ranking | None = None
    ) -> None:
        self.phase = phase
        self.total = total
        self.k = k
        self.covered = covered or Intervals()
        self._merged = ranking or Ranking.empty()
        self._recent = Ranking.empty()

    def add(self, first: int, last: int, answer: Ranking) -> None:
        """Merge what came of `[first, last)`; the ranking's order is total, so that of merging cannot matter."""
        self.covered.add(first, last)
        # In two steps: sorting a shortlist of a million again for each of 2000 answers would take minutes.
        self._recent = self._recent.merged(answer, self.k)
        if len(self._recent) * 16 > self.k:
            self._settle()

    def left(self, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
        """What is not covered yet, as ranges that end at these cuts at the latest."""
        for first, last in self.covered.gaps(self.total):
            inner = cuts[bisect_right(cuts, first) : bisect_left(cuts, last)]
            yield from pairwise([first, *inner, last])

    @property
    def ranking(self) -> Ranking:
        """The best so far."""
        self._settle()
        return self._merged

    def _settle(self) -> None:
        self._merged, self._recent = self._merged.merged(self._recent, self.k), Ranking.empty()

    @property
    def done(self) -> int:
        return self.covered.count

    @property
    def is_complete(self) -> bool:
        return self.done == self.total


def newest_ranked(sweeps: Iterable[Sweep]) -> Sweep | None:
    """The last one that has ranked anything: before Stage B has, that is the sweep without stops."""
    return next((sweep for sweep in reversed(list(sweeps)) if len(sweep.ranking)), None)


@dataclass(frozen=True)
class Checkpoint:
    """The sweeps of a search that have begun, over the candles and by the engine of these hashes."""

    candles_hash: str
    engine_params_hash: str
    sweeps: tuple[Sweep, ...]
    elapsed_s: dict[str, float]
    """By phase, over all attempts."""

    def sweep(self, phase: str) -> Sweep | None:
        return next((sweep for sweep in self.sweeps if sweep.phase == phase), None)

    def to_bytes(self) -> bytes:
        arrays: dict[str, np.ndarray] = {}
        described = []
        for sweep in self.sweeps:
            described.append(
                {"phase": sweep.phase, "total": sweep.total, "k": sweep.k, "covered": list(sweep.covered)}
            )
            for one in fields(Ranking):
                arrays[f"{sweep.phase}.{one.name}"] = getattr(sweep.ranking, one.name)
        about = {
            "candles_hash": self.candles_hash,
            "engine_params_hash": self.engine_params_hash,
            "sweeps": described,
            "elapsed_s": self.elapsed_s,
        }
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        sink = io.BytesIO()
        np.savez(sink, **arrays)  # type: ignore[arg-type]
        return sink.getvalue()

    @staticmethod
    def from_bytes(content: bytes) -> Checkpoint:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            sweeps = tuple(
                Sweep(
                    one["phase"],
                    one["total"],
                    one["k"],
                    Intervals(tuple(pair) for pair in one["covered"]),
                    Ranking(**{name.name: arrays[f"{one['phase']}.{name.name}"] for name in fields(Ranking)}),
                )
                for one in about["sweeps"]
            )
        return Checkpoint(about["candles_hash"], about["engine_params_hash"], sweeps, about["elapsed_s"])
