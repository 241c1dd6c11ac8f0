"""Signals with nothing left out: every indicator's inputs, parameters and output are there."""

from __future__ import annotations

from typing import Any

from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.backtests.request import StrategyAxes
from candleray.backtests.signals.conditions import RuleCondition
from candleray.backtests.signals.nodes import Node
from candleray.backtests.signals.operands import IndicatorOperand, PriceOperand
from candleray.errors import invalid
from kernels.indicators import INDICATORS


def with_defaults(axes: IndicatorAxes) -> IndicatorAxes:
    """Return the axes with the defaults of what is left out, in the order in which the indicator declares them."""
    indicator = INDICATORS[axes.id]
    inputs = {name: axes.inputs.get(name, columns[0]) for name, columns in indicator.selectable_inputs.items()}
    params = {name: axes.params.get(name, param.default) for name, param in indicator.params.items()}
    signal = {name: axes.signal.get(name, param.default) for name, param in indicator.rule.params.items()}
    return IndicatorAxes(id=axes.id, inputs=inputs, params=params, signal=signal)


def completed_signals(axes: StrategyAxes) -> dict[str, Any]:
    """Return the names and signals of a strategy with nothing left out."""
    assert axes.signals is not None
    signals = {
        name: _completed(getattr(axes.signals, name), axes)
        for name in type(axes.signals).model_fields
        if getattr(axes.signals, name) is not None
    }
    let = {name: _completed(axes.let[name], axes) for name in sorted(axes.let)}
    return {"let": let, "signals": axes.signals.model_copy(update=signals)}


def output_of(node: IndicatorOperand) -> str | None:
    """Return the output that an operand means: that it names, the only one, or that of the indicator's name."""
    outputs = INDICATORS[node.id].outputs
    if node.output is not None or len(outputs) == 1:
        return node.output or outputs[0]
    return node.id if node.id in outputs else None


def _completed(node: Any, axes: StrategyAxes) -> Any:
    if not isinstance(node, Node):
        return node
    changes: dict[str, Any] = {}
    if isinstance(node, IndicatorOperand):
        whole = with_defaults(IndicatorAxes(id=node.id, inputs=node.inputs, params=node.params))
        output = output_of(node)
        if output is None:
            raise invalid("signals", "no_output", f"{node.id} has several outputs: name one")
        changes = {"inputs": whole.inputs, "params": whole.params, "output": output}
    if isinstance(node, RuleCondition):
        whole = with_defaults(
            IndicatorAxes(id=node.rule, inputs=node.inputs, params=node.params, signal=node.signal)
        )
        changes = {"inputs": whole.inputs, "params": whole.params, "signal": whole.signal}
    if isinstance(node, IndicatorOperand | PriceOperand | RuleCondition):
        # The strategy's own, written out, are the same as left out.
        own = {"timeframe": axes.timeframe, "instrument": axes.instrument}
        return node.model_copy(
            update=changes | {name: None for name, one in own.items() if getattr(node, name) == one}
        )
    parts = {place: _completed(part, axes) for place, part in node.parts() if isinstance(part, Node)}
    return node.with_parts(parts)
