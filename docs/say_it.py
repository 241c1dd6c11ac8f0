"""Writes "How do I say …": each template of a strategy with its JSON, its sentences and its picture."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from candleray.backtests.request import BacktestRequest
from candleray.backtests.sentences import sentences
from candleray.candles import Candles
from candleray.indicators.request_models import get_request_models
from candleray.market_data.coverage import missing_ranges
from candleray.markets import find_market
from candleray.search.bars import read_bars
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.things import ExpressionBuilder
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.strategies.template import Template, readable_json, templates
from candleray.timeframes import DAY_MS, MINUTE_MS, iso, minutes_of
from kernels.bits import unpack
from kernels.indicators import INDICATORS
from kernels.signals import compute

Scene: Any = runpy.run_path(str(Path(__file__).parent / "candle_picture.py"))["Scene"]

START_MS = 1_735_689_600_000  # 2025-01-01
HISTORY_DAYS, DAYS = 60, 160
BARS, BEFORE = 120, 45
"""Bars of a picture, and those of them before the entry it is of."""

OPENING = """\
# How do I say …

{note}

Twenty ideas that every trader knows. `candleray strategy template` lists them, and

```sh
candleray strategy template ema-cross | candleray backtest -
```

runs one over BTCUSDT of `binance-spot` in 2025, `bitcoin-filter` over ETHUSDT too, if their candles are there
([import them](import-candles.md)); here each is shown without its instrument and range. Any number may be an axis
([signals](../explanation/signals.md)): `{{"window": {{"start": 10, "stop": 50, "step": 5}}}}`. The second sentence
is what `candleray explain` says. A test holds each against pandas, bar for bar.

The pictures are of simulated candles. The lanes below them show on which bars each signal is true; a triangle is a
bar on which an entry becomes true.
"""


@cache
def candles(symbol: str) -> Candles:
    end_ms = START_MS + DAYS * DAY_MS
    rows = GeneratedCandles(seed=11).candles(find_market("binance-spot"), symbol, START_MS, end_ms)
    return Candles(rows.ts_open_ms, rows.values)


class SimulatedMinutes:
    """The store of candles that the pictures are of."""

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        return candles(symbol).between(start_ms, end_ms)

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        return START_MS, START_MS + DAYS * DAY_MS

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Any:
        return missing_ranges(candles(symbol).ts_open_ms, start_ms, end_ms)


@dataclass(frozen=True)
class Example:
    """A template over the simulated candles."""

    request: BacktestRequest
    values: Any
    """Columns of the bars, history among them."""
    start: int
    stamps: Any
    held: dict[str, Any]
    """Bars of the range on which a signal is true, by its name."""

    @classmethod
    def of(cls, template: Template) -> Example:
        bar_ms = minutes_of(template.request["timeframe"]) * MINUTE_MS
        defaults = BacktestSettings(warmup_bars=HISTORY_DAYS * DAY_MS // bar_ms)
        span = {"start": iso(START_MS + HISTORY_DAYS * DAY_MS), "end": iso(START_MS + DAYS * DAY_MS)}
        request = resolve(
            get_request_models().validated_request(template.request | {"time_range": span}), defaults
        )
        bars = asyncio.run(read_bars(SimulatedMinutes(), VariantGrid(request), defaults))
        evaluator, signals = Evaluator(bars, defaults.warmup_bars), ExpressionBuilder(request).signals
        held = {name: unpack(evaluator.plane(one), bars.count)[0] for name, one in signals.items()}
        return cls(request, bars.candles.values, bars.start, bars.ts_open_ms, held)

    def window(self) -> slice:
        """The first bars with every signal, an exit some bars after the entry."""
        side = "long" if "long_entry" in self.held else "short"
        entries, exits = fresh(self.held[f"{side}_entry"]), self.held[f"{side}_exit"]
        for at in np.flatnonzero(entries[: entries.size + BEFORE - BARS]).tolist():
            bars = slice(at - BEFORE, at - BEFORE + BARS)
            every = all(flags[bars].any() for flags in self.held.values())
            if at >= BEFORE and every and exits[at + 6 : bars.stop].any():
                return bars
        raise AssertionError("no entry on the simulated candles")


def fresh(flags: Any) -> Any:
    return flags & ~np.concatenate(([False], flags[:-1]))


OPERATIONS: dict[str, Callable[[list[Any]], Any]] = {
    "plus": sum,
    "minus": lambda parts: parts[0] - parts[1],
    "times": lambda parts: parts[0] * parts[1],
    "max": lambda parts: np.maximum(parts[0], parts[1]),
}
PRICES = ("open", "high", "low", "close", "volume")


def series(node: Any, let: dict[str, Any], values: Any) -> Any:
    """An operand over the bars; None where it is of another timeframe or instrument, or a time."""
    if isinstance(node, str):
        return series(let[node], let, values)
    if not isinstance(node, dict):
        return node
    if "time" in node or "timeframe" in node or "instrument" in node:
        return None
    if "id" in node or "price" in node:
        found = values[PRICES.index(node["price"])] if "price" in node else indicator(node, values)
        shift = node.get("shift", 0)
        return np.concatenate((np.full(shift, np.nan), found[: found.size - shift]))
    ((kind, parts),) = node.items()
    return OPERATIONS[kind]([series(part, let, values) for part in parts])


def indicator(node: dict[str, Any], values: Any) -> Any:
    declared = INDICATORS[node["id"]]
    params = {name: param.default for name, param in declared.params.items()} | node.get("params", {})
    inputs = {name: columns[0] for name, columns in declared.inputs.items()}
    output = node.get("output") or (node["id"] if len(declared.outputs) > 1 else declared.outputs[0])
    return compute(declared, values, inputs, params)[output]


def operands(condition: Any) -> Iterator[Any]:
    """Yield what the comparisons of a condition compare, numbers left out."""
    for key, written in condition.items() if isinstance(condition, dict) else ():
        parts = written if isinstance(written, list) else [written]
        if key in ("above", "below", "cross_above", "cross_below", "between", "rising", "falling"):
            yield from (part for part in parts if not isinstance(part, int | float))
        else:
            for part in parts:
                yield from operands(part)


def lines(template: Template, values: Any) -> dict[str, Any]:
    """The operands of a template that are series of its own bars, by what they are called."""
    found: dict[str, Any] = {}
    let = template.request.get("let", {})
    for signal in template.request["signals"].values():
        for node in operands(signal):
            plain = node == {"price": "close"} or node == {"price": "low"}
            drawn = None if plain else series(node, let, values)
            if drawn is not None:
                found.setdefault(called(node), drawn)
    return found


def called(node: Any) -> str:
    if isinstance(node, str):
        return node
    if "id" in node or "price" in node:
        words = [node.get("id"), node.get("output"), node.get("price"), *map(str, node.get("params", {}).values())]
        shift = f", {node['shift']} before" if "shift" in node else ""
        return " ".join(one for one in words if one) + shift
    ((kind, parts),) = node.items()
    return f" {SIGNS.get(kind, kind)} ".join(part if isinstance(part, str) else str_of(part) for part in parts)


def str_of(part: Any) -> str:
    return called(part) if isinstance(part, dict) else f"{part:g}"


SIGNS = {"plus": "+", "minus": "−", "times": "×"}


def picture(name: str) -> str:
    template = templates()[name]
    example = Example.of(template)
    shown = example.window()
    inside = slice(example.start + shown.start, example.start + shown.stop)
    scene = Scene(template.title, example.values[:, inside], example.stamps[shown])
    for label, one in lines(template, example.values).items():
        scene.add_line(label, one[inside])
    for signal, flags in example.held.items():
        scene.add_lane(signal.replace("_", " "), flags[shown], fresh(flags)[shown])
    text: str = scene.svg()
    return text


def page(note: str) -> str:
    parts = [OPENING.format(note=note)]
    for name, template in templates().items():
        shown = {key: part for key, part in template.request.items() if key not in ("instrument", "time_range")}
        request = get_request_models().validated_request(template.request)
        parts += [
            f"## {template.title} (`{name}`)",
            template.sentence,
            f"> {' '.join(sentences(resolve(request, BacktestSettings())))}",
            f"![{template.title}: candles, entries, and the bars on which each signal is true](say-it/{name}.svg)",
            f"```json\n{readable_json(shown)}\n```",
        ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def pages(note: str) -> dict[str, Callable[[], str]]:
    pictures = {f"docs/howto/say-it/{name}.svg": partial(picture, name) for name in templates()}
    return {"docs/howto/say-it.md": partial(page, note), **pictures}
