"""Parameters of variants under flat names: `{"sma.source": "close", "sma.window": 20, "sl_pct": 1.5}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from candleray.backtests.request import BacktestRequest


def parameters(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten what tells one variant from another: inputs, parameters, signal levels, stop levels.

    The second indicator of one id is `sma_2`; a name that an indicator has twice carries its group as well.
    """
    flat: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for indicator in strategy["indicators"]:
        name = str(indicator["id"])
        counts[name] = counts.get(name, 0) + 1
        label = name if counts[name] == 1 else f"{name}_{counts[name]}"
        for group in ("inputs", "params", "signal"):
            for key, value in indicator.get(group, {}).items():
                short = f"{label}.{key}"
                flat[f"{label}.{group}.{key}" if short in flat else short] = value
    stop_levels = strategy.get("risk") or {}
    return flat | {name: level for name, level in stop_levels.items() if level is not None}


def varied(request: BacktestRequest) -> list[str]:
    """The names of the parameters that differ between the variants of a resolved request."""
    axes = parameters(request.model_dump(mode="json"))
    return [name for name, axis in axes.items() if _has_several_values(axis)]


def _has_several_values(axis: Any) -> bool:
    if isinstance(axis, dict):
        if "values" in axis:
            return len(axis["values"]) > 1
        return bool(axis["start"] + axis["step"] <= axis["stop"])
    return isinstance(axis, list | tuple) and len(axis) > 1
