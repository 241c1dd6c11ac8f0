"""`candleray demo`: the main job from end to end, by the very commands a person would type.

Everything runs on this machine and needs no network: simulated exchanges stand in for Binance and Bybit, the
embedded services for ClickHouse and the rest. What it loads stays in its folder, so that a second run starts with
its candles there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from candleray.errors import InstanceError
from candleray.markets import MARKETS
from candleray.settings import get_settings
from candleray.terminal.hints import interruptible
from cluster.machine.ports import first_free

YEAR = ("2025-01-01", "2026-01-01")
WEEK = ("2025-12-25", "2026-01-01")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
SEARCHED_MARKET_ID = 1

REQUEST = {
    "instrument": {"market_id": SEARCHED_MARKET_ID, "symbol": SYMBOLS[0]},
    "timeframe": "1m",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 10, "stop": 400, "step": 10}},
        },
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 10, 14, 18, 21]}},
            "signal": {
                "long_threshold": {"start": 20, "stop": 40, "step": 5},
                "short_threshold": {"start": 60, "stop": 80, "step": 5},
            },
        },
    ],
    "top_k": 300,
    "trades_for": 1,
}
"""10,000 variants: 80 moving averages with 125 RSI readings."""


SPEED = 60
LIVE_S = 45
STRATEGY = {
    "instrument": REQUEST["instrument"],
    "timeframe": "1m",
    "let": {
        "fast": {"id": "ema", "params": {"window": 3}},
        "slow": {"id": "ema", "params": {"window": 8}},
    },
    "signals": {
        "long_entry": {"cross_above": ["fast", "slow"]},
        "long_exit": {"cross_below": ["fast", "slow"]},
    },
}
"""A cross that happens every few minutes, so that three quarters of an hour show some."""


class TimedSteps:
    """The demo's steps: each shown as the command it is, timed, and its failure the demo's."""

    def __init__(self, console: Console, output: IO[str] | None = None) -> None:
        self.console = console
        self.output = output
        """The commands' stdout; None where it is this process's own."""
        self.seconds: list[tuple[str, float]] = []

    def ask(self, *arguments: str) -> Any:
        """The same with `--json`; return the answer in place of showing it."""
        self.console.print(f"[dim]$ candleray {' '.join(arguments)} --json", soft_wrap=True)
        finished = subprocess.run(_command(*arguments, "--json"), check=False, stdout=subprocess.PIPE, text=True)
        if finished.returncode:
            raise InstanceError(f"candleray {arguments[0]} ended with {finished.returncode}")
        return json.loads(finished.stdout)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.console.rule(f"[bold]{name}", align="left")
        started = time.perf_counter()
        yield
        self.seconds.append((name, time.perf_counter() - started))

    def run(self, *arguments: str) -> None:
        """`candleray …` as a person would type it."""
        self.console.print(f"[dim]$ candleray {' '.join(arguments)}", soft_wrap=True)
        finished = subprocess.run(_command(*arguments), check=False, stdout=self.output)
        if finished.returncode:
            raise InstanceError(f"candleray {arguments[0]} ended with {finished.returncode}")

    def table(self) -> Table:
        table = Table("Phase", "Seconds", title="What each phase took")
        table.columns[1].justify = "right"
        for name, seconds in self.seconds:
            table.add_row(name, f"{seconds:.1f}")
        table.add_row("[bold]all", f"[bold]{sum(seconds for _, seconds in self.seconds):.1f}")
        return table


def demo(
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder of the demo's own candles, whatever CANDLERAY_DATA_DIR says: they are simulated.",
        ),
    ] = Path(".demo"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the seconds of each phase as JSON, the rest to stderr.")
    ] = False,
) -> None:
    """Simulated exchanges -> ClickHouse -> a grid of 10,000 variants over a year -> a strategy that runs live.

    Example: candleray demo --keep
    """
    console = Console(highlight=False, stderr=as_json)
    steps = TimedSteps(console, sys.stderr if as_json else None)
    data = data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    request = data / "request.json"
    request.write_text(json.dumps(REQUEST, indent=2))
    api_port = first_free("127.0.0.1", get_settings().api.port)
    # The commands of the steps find this instance, whatever the person's own settings say.
    os.environ["CANDLERAY_API_URL"] = f"http://127.0.0.1:{api_port}"
    stopped = f"the demo is stopped; its candles stay in {data}, and `candleray demo` goes on from there"
    with interruptible(stopped):
        try:
            with steps.step("Start ClickHouse, Postgres, Valkey, Ray, the API and simulated exchanges; log in"):
                simulated = ("--simulator", "--speed", str(SPEED))
                steps.run("up", "--detach", *simulated, "--data", str(data), "--port", str(api_port))
                steps.run("login", "--data", str(data))
            with steps.step("Backfill three symbols of every market by REST"):
                _backfill(steps)
            with steps.step("What is there now"):
                steps.run("candles")
            with steps.step("Search 10,000 variants over a year of minutes"):
                steps.run("backtest", str(request), "--top", "10", "--report")
            with steps.step(f"Run a strategy live: {SPEED} simulated minutes in a minute of ours"):
                _live(steps, data)
        finally:
            if not keep:
                with steps.step("Stop"):
                    steps.run("down", "--data", str(data))
    if as_json:
        typer.echo(json.dumps({"seconds": dict(steps.seconds), "data_dir": str(data)}))
    console.print(steps.table())
    _show_what_next(console, data, request, api_port)
    if keep:
        _show_link(steps, data)


def _backfill(steps: TimedSteps) -> None:
    searched, *others = SYMBOLS
    for market in MARKETS.values():
        if market.market_id == SEARCHED_MARKET_ID:
            _backfill_one(steps, market.name, [searched], YEAR)
            _backfill_one(steps, market.name, others, WEEK)
        else:
            _backfill_one(steps, market.name, SYMBOLS, WEEK)


def _backfill_one(steps: TimedSteps, market: str, symbols: Sequence[str], span: tuple[str, str]) -> None:
    chosen = [part for symbol in symbols for part in ("--symbol", symbol)]
    steps.run("backfill", "--market", market, *chosen, "--start", span[0], "--end", span[1])


def _live(steps: TimedSteps, data: Path) -> None:
    """Save a strategy, run it for a simulated hour, and hold what it said against its backtest."""
    strategy, certificate = data / "strategy.json", data / "certificate.json"
    strategy.write_text(json.dumps(STRATEGY, indent=2))
    here = ("--data", str(data))
    saved = steps.ask("strategy", "create", str(strategy), *here)["strategy_id"]
    for left in steps.ask("run", "list", "--strategy", saved, "--state", "running", *here):
        steps.run("run", "stop", left["run_id"], *here)  # of a demo that was killed
    run = steps.ask("run", "start", saved, *here)["run_id"]
    steps.run("run", "watch", run, "--for", str(LIVE_S), *here)
    steps.run("run", "trades", run, *here)
    steps.run("run", "certify", run, "--out", str(certificate), *here)
    steps.run("run", "stop", run, *here)


def _show_what_next(console: Console, data: Path, request: Path, port: int) -> None:
    folder, asked = os.path.relpath(data), os.path.relpath(request)
    console.print("\n[bold]What to try next[/] (the demo's candles are still there)")
    for line in (
        f"candleray up --detach --data {folder} --port {port}",
        f"candleray login --browser --data {folder}    # the web page: prints a link that signs you in",
        f"candleray backtest {asked} --data {folder} --top 20    # change its windows, thresholds, direction",
        "candleray indicators",
        f"http://127.0.0.1:{port}/docs    # the API, with examples",
        f"candleray down --data {folder}",
    ):
        console.print(f"  {line}", style="cyan", soft_wrap=True)


def _show_link(steps: TimedSteps, data: Path) -> None:
    """Print the link that signs a browser in, last: it is good for five minutes."""
    link = steps.ask("login", "--browser", "--data", str(data))["link"]
    steps.console.print("\n[bold]The web page[/]: this link signs you in, once and within five minutes")
    steps.console.print(f"  {link}", style="cyan", soft_wrap=True)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "candleray", *arguments]
