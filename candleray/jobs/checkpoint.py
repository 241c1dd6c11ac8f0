"""The state of a search as bytes: another driver goes on from there and gets the same answer."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from candleray.backtests.phase import Phase
from candleray.search.rankings import Ranking
from candleray.search.sweep import Intervals, Sweep
from candleray.trust.evidence import Evidence

EVIDENCE = "evidence"
"""The field of a ranking that has arrays of its own; checkpoints of former versions have none."""


@dataclass(frozen=True)
class Checkpoint:
    """The sweeps of a search that have begun, over the candles and by the engine of these hashes."""

    candles_hash: str
    engine_params_hash: str
    sweeps: tuple[Sweep, ...]
    elapsed_s: dict[Phase, float]
    """Seconds by phase, over all attempts."""

    def sweep(self, phase: Phase) -> Sweep | None:
        return next((sweep for sweep in self.sweeps if sweep.phase == phase), None)

    def to_bytes(self) -> bytes:
        arrays: dict[str, np.ndarray] = {}
        described = []
        for sweep in self.sweeps:
            described.append(
                {"phase": sweep.phase, "total": sweep.total, "k": sweep.k, "covered": list(sweep.covered)}
            )
            ranking = sweep.ranking
            columns = {one.name: getattr(ranking, one.name) for one in fields(Ranking) if one.name != EVIDENCE}
            if ranking.evidence is not None:
                columns |= {f"{EVIDENCE}.{name}": column for name, column in ranking.evidence.arrays().items()}
            arrays |= {f"{sweep.phase}.{name}": column for name, column in columns.items() if column is not None}
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
                    Phase(one["phase"]),
                    one["total"],
                    one["k"],
                    Intervals(tuple(pair) for pair in one["covered"]),
                    _ranking_of(arrays, f"{one['phase']}."),
                )
                for one in about["sweeps"]
            )
        elapsed_s = {Phase(phase): seconds for phase, seconds in about["elapsed_s"].items()}
        return Checkpoint(about["candles_hash"], about["engine_params_hash"], sweeps, elapsed_s)


def _ranking_of(arrays: Mapping[str, np.ndarray], prefix: str) -> Ranking:
    columns = {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
    own = f"{EVIDENCE}."
    parts = {name.removeprefix(own): columns.pop(name) for name in list(columns) if name.startswith(own)}
    return Ranking(**columns, evidence=Evidence.of_arrays(parts) if parts else None)
