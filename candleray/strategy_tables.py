"""What the commands print of strategies and runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console

from candleray.backtests.parameters import parameters
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from candleray.live.run import Run, RunHistory
    from candleray.strategies.strategy import Strategy


def print_strategies(console: Console, found: Iterable[Strategy]) -> None:
    rows = [
        (
            str(one.strategy_id),
            one.name,
            one.spec.instrument.market.name,
            str(one.spec.direction),
            f"{one.created_at:%Y-%m-%d %H:%M:%S}",
        )
        for one in found
    ]
    names = ("strategy", "name", "market", "direction", "saved")
    print_table(console, names, rows, text=names)


def print_strategy(console: Console, strategy: Strategy) -> None:
    """Everything about one, a line for each of its values."""
    spec = strategy.spec.model_dump(mode="json")
    sizing = {f"sizing.{name}": value for name, value in spec["sizing"].items()}
    values = {
        "strategy": strategy.strategy_id,
        "market": strategy.spec.instrument.market.name,
        "symbol": strategy.spec.instrument.symbol,
        "timeframe": strategy.spec.timeframe,
        **parameters(spec),
        **{name: spec[name] for name in ("direction", "exit_on", "init_cash_quote", "fee_pct", "slippage_pct")},
        **sizing,
        "cloned from": strategy.parent_id or "–",
        "saved": f"{strategy.created_at:%Y-%m-%d %H:%M:%S}",
        "spec_hash": strategy.spec_hash,
    }
    rows = [(name, str(value)) for name, value in values.items()]
    print_table(console, ("of it", "value"), rows, title=strategy.name, text=("of it", "value"))


def print_runs(console: Console, found: Iterable[Run]) -> None:
    rows = [
        (
            str(one.run_id),
            one.state.value,
            f"{one.state_since:%Y-%m-%d %H:%M:%S}",
            one.metadata.instrument_key,
            one.metadata.timeframe,
            str(one.metadata.warmup_bars),
            str(one.strategy_id),
        )
        for one in found
    ]
    names = ("run", "state", "since", "instrument", "timeframe", "warm-up bars", "strategy")
    print_table(console, names, rows, text=tuple(name for name in names if name != "warm-up bars"))


def print_history(console: Console, run: RunHistory) -> None:
    """A run, and under it how it came to its state."""
    print_runs(console, [run])
    rows = [
        (
            str(one.number),
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            one.action.value,
            one.from_state.value if one.from_state else "–",
            one.to_state.value,
            one.cause,
        )
        for one in run.events
    ]
    names = ("event", "at", "action", "from", "to", "cause")
    console.print()
    print_table(console, names, rows, text=names[1:])
