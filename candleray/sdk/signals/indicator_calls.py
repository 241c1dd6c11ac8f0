"""Indicators as functions, one for each of the catalogue: `ema(20)`, `macd(12, 26, 9, output="signal")`.

Their names and parameters are generated beside this file; what type checkers and editors read is generated too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from candleray.errors import invalid, nearest
from candleray.sdk.signals.terms import IndicatorLeaf, number_of
from candleray.sdk.signals.vocabulary import place_of, steps

_SIGNATURES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text())


class IndicatorCall:
    """An indicator; called with its parameters it is an operand.

    What is left out takes the indicator's default. One with a single parameter takes an axis as three numbers.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self.__doc__ = _SIGNATURES[name]["title"]
        self._params: list[str] = _SIGNATURES[name]["params"]
        self._inputs: list[str] = _SIGNATURES[name]["inputs"]
        self._outputs: list[str] = _SIGNATURES[name]["outputs"]

    def __repr__(self) -> str:
        return f"<indicator {self.__name__}({', '.join(self._params)})>"

    def __call__(
        self,
        *numbers: Any,
        output: str | None = None,
        timeframe: str | None = None,
        instrument: Mapping[str, Any] | None = None,
        shift: Any = 0,
        **named: Any,
    ) -> IndicatorLeaf:
        written: dict[str, Any] = {"id": self.__name__}
        params = self._placed(numbers, named)
        inputs: dict[str, str] = {}
        for name, value in named.items():
            known = [*self._params, *self._inputs]
            if name not in known:
                raise self._refusal("unknown_name", f"unknown parameter {name[:40]!r}; {nearest(name, known)}")
            if name in params:
                raise self._refusal("twice", f"{name} is given twice, by its place and by its name")
            if name in self._inputs:
                inputs[name] = value
            elif value is not None:
                params[name] = value
        if inputs:
            written["inputs"] = inputs
        if params:
            written["params"] = {name: number_of(value) for name, value in params.items()}
        leaf = IndicatorLeaf(written | place_of(timeframe, instrument, shift), tuple(self._outputs))
        return leaf if output is None else leaf.output(output)

    def _placed(self, numbers: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        if len(self._params) == 1:
            numbers += tuple(named.pop(name) for name in ("stop", "step") if name in named)
        if len(self._params) == 1 and len(numbers) == 3:
            return {self._params[0]: steps(*numbers)}
        if len(numbers) > len(self._params):
            if isinstance(numbers[-1], str):
                number_of(numbers[-1])  # refuses a text in words
            own = ", ".join(self._params) or "no parameters"
            axis = f"; an axis is three numbers, {self.__name__}(10, 50, 5)" if len(self._params) == 1 else ""
            raise self._refusal("too_many", f"{len(numbers)} numbers for {own}{axis}")
        return dict(zip(self._params, numbers, strict=False))

    def _refusal(self, code: str, message: str) -> Exception:
        return invalid(f"signals.{self.__name__}", code, f"{self.__name__}: {message}")


globals().update({name: IndicatorCall(name) for name in _SIGNATURES})
__all__ = [*_SIGNATURES]
