"""TA-Lib's own time, in the rows of the parity tests.

The rows say what TA-Lib calls an indicator. Most hand on what it returns: there only the time inside TA-Lib
counts. Some make the indicator of its answers by arithmetic, as its users have to: there the arithmetic counts. To
tell them apart TA-Lib's functions are wrapped before the rows are imported.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import talib

from kernels.indicators import INDICATORS
from tests.bench.timing import Timing, once

SUPPORT = Path(__file__).resolve().parents[1] / "support" / "oracles"


class Meter:
    """A record of one answer: the time inside TA-Lib, the functions it called, and what they returned."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.cpu_s = self.wall_s = 0.0
        self.called: list[str] = []
        self.returned: list[Any] = []

    def metered(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            answer = function(*arguments, **named)
            self.cpu_s += time.process_time() - cpu
            self.wall_s += time.perf_counter() - wall
            self.called.append(name)
            self.returned += answer if isinstance(answer, tuple) else (answer,)
            return answer

        return call

    def install(self) -> None:
        for name in talib.get_functions():
            setattr(talib, name, self.metered(name, getattr(talib, name)))

    def take(self, answer: Callable[..., Any], values: Any) -> Timing:
        """Time TA-Lib, and the arithmetic that makes the indicator of what TA-Lib has."""
        self._forget()
        outputs: dict[str, Any] = {}
        whole = once(lambda: outputs.update(answer(*values)))
        returned = {id(series) for series in self.returned}
        self.is_whole = all(id(series) in returned for series in outputs.values())
        return Timing(self.cpu_s, self.wall_s) if self.is_whole else whole


def parity_rows() -> dict[str, tuple[dict[str, float], Callable[..., Any]]]:
    """One row an indicator: its default parameters where they have a row, otherwise the middle one of its rows."""
    paths = sorted(SUPPORT.glob("talib_*.py"))
    rows = [row for path in paths for row in import_module(f"tests.support.oracles.{path.stem}").ROWS]
    chosen = {}
    for indicator in sorted({name for name, _, _ in rows}):
        own = [(_with_defaults(indicator, params), answer) for name, params, answer in rows if name == indicator]
        default = _with_defaults(indicator, {})
        chosen[indicator] = next((row for row in own if row[0] == default), own[len(own) // 2])
    return chosen


def _with_defaults(indicator: str, params: dict[str, float]) -> dict[str, float]:
    return {**{name: param.default for name, param in INDICATORS[indicator].params.items()}, **params}
