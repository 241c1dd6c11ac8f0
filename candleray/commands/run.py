"""Live runs of strategies: create, stop and start again, and see how a run came to its state."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import output, print_json
from candleray.terminal.exit_codes import ExitCode
from candleray.terminal.hints import here, show_next
from candleray.terminal.options import ApiUrl, AsJson, AsJsonList, DataDir, connect, write_file
from candleray.terminal.progress import working
from candleray.terminal.tables import print_table, second_text

if TYPE_CHECKING:
    from candleray.live.run import Run
    from candleray.live.run_history import RunHistory

run = typer.Typer(
    no_args_is_help=True,
    help=f"{__doc__}\n\nExample: candleray run start 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1",
    rich_markup_mode="markdown",
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id, or as much of its beginning as no other has.")]


@run.command()
def start(
    strategy_id: Annotated[str, typer.Argument(metavar="STRATEGY", help="The strategy's id or name.")],
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Start a run of a strategy, which has one active run at most.

    Example: candleray run start 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1
    """
    with connect(api, data) as client:
        _show(client.start_run(strategy_id), as_json)


@run.command("list")
def list_runs(
    strategy_id: Annotated[
        str | None, typer.Option("--strategy", metavar="ID", help="Only runs of this strategy.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Only runs in this state, such as running.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """List your runs, the newest first.

    Example: candleray run list --state running
    """
    with connect(api, data) as client:
        runs = client.runs(strategy_id, state, limit)
    if as_json:
        print_json(runs)
    else:
        _print_runs(runs)


@run.command()
def show(run_id: RunId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show a run and the events that led to its state.

    Example: candleray run show 9d1f2c5e-58a0-4a3c-b1c3-5d7f1f0e6a21
    """
    with connect(api, data) as client:
        history = client.run(run_id)
    if as_json:
        typer.echo(history.model_dump_json())
    else:
        _print_history(history)


@run.command()
def stop(run_id: RunId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Stop a run; it is `stopping` until everything is put away.

    Example: candleray run stop 9d1f2c5e-58a0-4a3c-b1c3-5d7f1f0e6a21
    """
    with connect(api, data) as client:
        _show(client.stop_run(run_id), as_json)


@run.command()
def restart(run_id: RunId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Start a run again that is stopped, failed or stopping.

    Example: candleray run restart 9d1f2c5e-58a0-4a3c-b1c3-5d7f1f0e6a21
    """
    with connect(api, data) as client:
        _show(client.restart_run(run_id), as_json)


@run.command()
def certify(
    run_id: RunId,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Bars that open from here on.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Bars that have closed by then.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the certificate to a file, for `candleray verify`.")
    ] = None,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Hold what a run has said against the backtest of the same bars, to the bit, and name what differs.

    Without --from and --to it is about all that the run has taken. It ends with code 1 where something differs
    that no candle explains.

    Example: candleray run certify 9d1f2c5e-58a0-4a3c-b1c3-5d7f1f0e6a21 --out certificate.json
    """
    with connect(api, data) as client, working("certifying"):
        certificate = client.certificate(run_id, start, end)
    if out is not None:
        write_file(out, certificate.canonical_bytes())
    if as_json:
        sys.stdout.buffer.write(certificate.canonical_bytes() + b"\n")
    else:
        from candleray.terminal.certificates import print_certificate

        print_certificate(certificate)
        if out is not None:
            show_next(f"verify {out}{here(api, data)}")
    if certificate.verdict.value == "broken":
        raise typer.Exit(ExitCode.FAILED)


def _show(one: Run, as_json: bool) -> None:
    if as_json:
        print_json(one)
    else:
        _print_runs([one])


def _print_runs(runs: Iterable[Run]) -> None:
    rows = [
        (
            str(run.run_id),
            run.state.value,
            second_text(run.state_since),
            run.metadata.instrument_key,
            run.metadata.timeframe,
            str(run.metadata.warmup_bars),
            run.parity.value,
            str(run.strategy_id),
        )
        for run in runs
    ]
    names = ("run", "state", "since", "instrument", "timeframe", "warm-up bars", "parity", "strategy")
    print_table(output(), names, rows, text=tuple(name for name in names if name != "warm-up bars"))


def _print_history(history: RunHistory) -> None:
    """Print a run, and under it the events that led to its state."""
    _print_runs([history])
    rows = [
        (
            str(event.number),
            second_text(event.at),
            event.action.value,
            event.from_state.value if event.from_state else "–",
            event.to_state.value,
            event.cause,
        )
        for event in history.events
    ]
    names = ("event", "at", "action", "from", "to", "cause")
    output().print()
    print_table(output(), names, rows, text=names[1:])
