"""The state of a search as bytes: another driver goes on from there and gets the same answer."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, fields

import numpy as np

from candleray.backtests.phase import Phase
from candleray.search.rankings import Ranking
from candleray.search.sweep import Intervals, Sweep


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
            for one in fields(Ranking):
                if (column := getattr(ranking, one.name)) is not None:
                    arrays[f"{sweep.phase}.{one.name}"] = column
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
                    Ranking(
                        **{
                            column.name: arrays[name]
                            for column in fields(Ranking)
                            if (name := f"{one['phase']}.{column.name}") in arrays
                        }
                    ),
                )
                for one in about["sweeps"]
            )
        elapsed_s = {Phase(phase): seconds for phase, seconds in about["elapsed_s"].items()}
        return Checkpoint(about["candles_hash"], about["engine_params_hash"], sweeps, elapsed_s)
