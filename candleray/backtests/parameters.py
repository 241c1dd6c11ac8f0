"""Parameters of variants under flat names: `{"sma.source": "close", "sma.window": 20, "sl_pct": 1.5}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from candleray.backtests.request import BacktestRequest
from candleray.backtests.rules.sizing import PARTS_FIELDS


def parameters(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten what tells one variant from another: inputs, parameters, signal levels, stop levels, sizes.

    The second indicator of one id is `sma_2`; a name that an indicator has twice carries its group as well.
    """
    flat: dict[str, Any] = {}
    counts: dict[str, int] = {}
    if strategy.get("signals"):
        for name in sorted(strategy.get("let", {})):
            _add_operand(flat, name, strategy["let"][name], name)
        for name, condition in strategy["signals"].items():
            _add_parts(flat, name, condition)
    for indicator in strategy.get("indicators", ()):
        name = str(indicator["id"])
        counts[name] = counts.get(name, 0) + 1
        label = name if counts[name] == 1 else f"{name}_{counts[name]}"
        for group in ("inputs", "params", "signal"):
            for key, value in indicator.get(group, {}).items():
                short = f"{label}.{key}"
                flat[f"{label}.{group}.{key}" if short in flat else short] = value
    stop_levels = strategy.get("risk") or {}
    flat |= {name: level for name, level in stop_levels.items() if level is not None}
    sizing = strategy.get("sizing") or {}
    return flat | {name: sizing[name] for name in PARTS_FIELDS if name in sizing}


_OF_INDICATOR = ("inputs", "params", "signal")


def _add_operand(flat: dict[str, Any], place: str, node: Any, name: str) -> None:
    """Add the numbers of an operand: an indicator's under its name, others under their place."""
    if isinstance(node, int | float) or _is_axis(node):
        flat[place] = node
    elif isinstance(node, dict):
        for group in _OF_INDICATOR:
            for key, value in node.get(group, {}).items():
                short = f"{name}.{key}"
                flat[f"{name}.{group}.{key}" if short in flat else short] = value
        _add_parts(
            flat, place, {key: part for key, part in node.items() if key not in (*_OF_INDICATOR, "instrument")}
        )


def _add_parts(flat: dict[str, Any], place: str, node: Mapping[str, Any]) -> None:
    """Add the numbers within a node; those of a list bear their position in it."""
    if "rule" in node:
        _add_operand(flat, place, {key: part for key, part in node.items() if key != "rule"}, place)
        return
    for key, part in node.items():
        parts = part if isinstance(part, list | tuple) else [part]
        for position, one in enumerate(parts):
            inner = f"{place}.{key}.{position}" if isinstance(part, list | tuple) else f"{place}.{key}"
            _add_operand(flat, inner, one, inner)


def _is_axis(node: Any) -> bool:
    return isinstance(node, dict) and bool(node.keys() & {"values", "start"})


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
