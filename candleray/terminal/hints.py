"""Words after the work: commands to go on with, and what goes on when somebody leaves by Ctrl-C."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import typer

from candleray.terminal.console import notes
from candleray.terminal.exit_codes import ExitCode

SHORT_ID = 8
"""Characters of an id that are enough to name a thing among one's own."""


def here(api: str | None, data: Path | None) -> str:
    """The options that made a command meet this instance, to be typed again behind the next one."""
    options = [*(("--api", api) if api else ()), *(("--data", str(data)) if data else ())]
    return f" {shlex.join(options)}" if options else ""


def show_next(*commands: str) -> None:
    """Print commands to go on with, if any: on stderr, so that a pipe gets the result alone."""
    if not commands:
        return
    lines = "\n".join(f"  candleray {command}" for command in commands)
    notes().print(f"\nnext:\n{lines}")


@contextmanager
def interruptible(said: str | Callable[[], str]) -> Iterator[None]:
    """Say on Ctrl-C what goes on and how to come back, and end with that exit code."""
    try:
        yield
    except KeyboardInterrupt:
        notes().print(f"stopped by Ctrl-C: {said if isinstance(said, str) else said()}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def after_ranking(rows: int, where: str) -> Iterator[str]:
    """Yield commands for who has just got a ranked table of so many rows: none that needs a row it lacks."""
    if rows:
        yield f"report --last --rank {min(rows, 2)}"
        yield f"strategy create --last --rank 1{where}"


def after_candles(market: str, symbol: str, where: str) -> tuple[str, ...]:
    """Commands for who has just brought candles in."""
    return (
        f"candles --market {market} --symbol {symbol}{where}",
        f"compute sma window=20 --market {market} --symbol {symbol} --bars 100{where}",
        f"backtest request.json{where}    # docs/howto/write-a-request.md",
    )


def after_run(run_id: UUID, where: str) -> tuple[str, ...]:
    """Commands for who has a run: what it did, and the proof that the backtest does the same."""
    short = str(run_id)[:SHORT_ID]
    return f"run trades {short}{where}", f"run certify {short}{where}"
