"""Live runs of strategies: create, stop and start again, and see how a run came to its state."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.errors import invalid, nearest
from candleray.terminal.console import notes, output, print_json
from candleray.terminal.exit_codes import ExitCode
from candleray.terminal.hints import after_run, here, interruptible, show_next
from candleray.terminal.options import ApiUrl, AsJson, AsJsonList, DataDir, connect, write_file
from candleray.terminal.progress import working
from candleray.terminal.tables import minute_text, print_table, second_text

if TYPE_CHECKING:
    from candleray.live.records import RunTrade
    from candleray.live.run import Run, StartedRun
    from candleray.live.run_history import RunHistory
    from candleray.live.standing import RunStanding

run = typer.Typer(
    no_args_is_help=True,
    help=f"{__doc__}\n\nExample: candleray run start 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1",
    rich_markup_mode="markdown",
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id, or as much of its beginning as no other has.")]

Session = Annotated[
    int | None,
    typer.Option(min=1, metavar="NUMBER", help="Only this session, by its number."),
]


@run.command()
def start(
    strategy_id: Annotated[str, typer.Argument(metavar="STRATEGY", help="The strategy's id or name.")],
    mode: Annotated[
        str, typer.Option(help="With signals it says what it would do, with paper it makes orders on paper too.")
    ] = "signals",
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Start a run of a strategy, which has one active run at most.

    Example: candleray run start 0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1
    """
    with connect(api, data) as client:
        _show_started(client.start_run(strategy_id, mode), as_json, here(api, data))


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
def events(
    run_id: RunId,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help="Only this kind, such as exit; repeatable.")
    ] = None,
    session: Session = None,
    after: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Only behind this event.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what it says from now on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Print what a run has said: signals, entries, exits, orders, gaps, states; one line each, in order.

    Example: candleray run events 9d1f2c5e --kind entry --kind exit
    """
    from candleray.terminal.run_watch import subject_of
    from candleray.terminal.run_words import event_line

    with connect(api, data) as client, interruptible(f"`candleray run events {run_id} --follow` goes on"):
        subject = subject_of(client.run(run_id))
        chosen = client.run_events(run_id, kind=_kinds(kind), session=session, after=after, follow=follow)
        for event in chosen:
            typer.echo(event.model_dump_json()) if as_json else output().print(event_line(event, subject))


@run.command()
def trades(
    run_id: RunId, session: Session = None, as_json: AsJsonList = False, api: ApiUrl = None, data: DataDir = None
) -> None:
    """Show a run's trades on paper; an open one comes last.

    Example: candleray run trades 9d1f2c5e
    """
    with connect(api, data) as client:
        found = client.run_trades(run_id, session=session)
    if as_json:
        print_json(found)
    else:
        _print_trades(found)


@run.command()
def orders(
    run_id: RunId, session: Session = None, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None
) -> None:
    """Show the orders of a run that was started with `--mode paper`, the oldest first.

    Example: candleray run orders 9d1f2c5e
    """
    from candleray.terminal.run_order_tables import print_orders

    with connect(api, data) as client:
        page = client.run_orders(run_id, session=session)
    print_json(page) if as_json else print_orders(page)


@run.command()
def fills(
    run_id: RunId, session: Session = None, as_json: AsJsonList = False, api: ApiUrl = None, data: DataDir = None
) -> None:
    """Show the fills of a run that was started with `--mode paper`, with position and balance after each.

    Example: candleray run fills 9d1f2c5e
    """
    from candleray.terminal.run_order_tables import print_fills

    with connect(api, data) as client:
        found = client.run_fills(run_id, session=session)
    print_json(found) if as_json else print_fills(found)


@run.command()
def watch(
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN", help="This run alone; by default all that are active.")
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(min=0, metavar="NUMBER", help="Begin behind this event; by default now."),
    ] = None,
    for_s: Annotated[
        float | None,
        typer.Option("--for", min=0, max=86_400, metavar="SECONDS", help="End after so long; by default never."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as one line of JSON.")] = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Watch runs: a live table in a terminal, one line for each event elsewhere. Ctrl-C leaves them running.

    A connection that is lost is opened again, and what was said meanwhile comes first.

    Example: candleray run watch
    """
    from candleray.terminal.run_watch import RunWatch

    with connect(api, data) as client, interruptible("the runs go on; `candleray run watch` shows them again"):
        found = client.run(run_id).run_id if run_id else None
        RunWatch(client, found, as_json).follow(after, for_s)


@run.command()
def stop(run_id: RunId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Stop a run; it is `stopping` until everything is put away.

    Example: candleray run stop 9d1f2c5e-58a0-4a3c-b1c3-5d7f1f0e6a21
    """
    with connect(api, data) as client:
        stopped = client.stop_run(run_id)
    _show(stopped, as_json)
    if not as_json:
        show_next(*after_run(stopped.run_id, here(api, data)))


@run.command()
def halt(run_id: RunId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Let a run that was started with `--mode paper` make no order any more, for good; its signals go on.

    Example: candleray run halt 9d1f2c5e
    """
    with connect(api, data) as client:
        halted = client.halt_run(run_id)
    if as_json:
        print_json(halted)
    else:
        output().print(f"{halted.run_id} makes no order since {second_text(halted.at)}: {halted.reason}")


@run.command()
def restart(run_id: RunId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Start a run again that is stopped, failed or stopping.

    Example: candleray run restart 9d1f2c5e-58a0-4a3c-b1c3-5d7f1f0e6a21
    """
    with connect(api, data) as client:
        _show_started(client.restart_run(run_id), as_json, here(api, data))


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


def _show_started(started: StartedRun, as_json: bool, where: str) -> None:
    _show(started, as_json)
    if as_json:
        return
    for note in started.notes:
        notes().print(note)
    show_next(f"run watch{where}", *after_run(started.run_id, where))


def _print_runs(runs: Iterable[Run]) -> None:
    rows = [
        (
            str(run.run_id),
            run.state.value,
            second_text(run.state_since),
            run.mode.value,
            run.metadata.instrument_key,
            run.metadata.timeframe,
            str(run.metadata.warmup_bars),
            run.parity.value,
            str(run.strategy_id),
        )
        for run in runs
    ]
    names = ("run", "state", "since", "mode", "instrument", "timeframe", "warm-up bars", "parity", "strategy")
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
    if history.standing:
        _print_standing(history.standing)


def _print_standing(standing: RunStanding) -> None:
    from candleray.terminal.run_words import lag_words, position_words

    rows = [
        (
            minute_text(standing.last_bar) if standing.last_bar else "–",
            lag_words(standing),
            standing.signal,
            position_words(standing),
            f"{standing.equity_quote:,.2f}",
            f"{standing.return_pct:+.3f}",
            f"{standing.trades:,}",
        )
    ]
    names = ("last bar", "lag", "signal", "position", "equity", "return %", "trades")
    output().print()
    print_table(output(), names, rows, text=names[:4])
    if standing.source == "records":
        as_of = minute_text(standing.as_of) if standing.as_of else "before the first minute"
        notes().print(f"this is what is kept of it, as of {as_of}", style="yellow")
    if standing.waits_for:
        notes().print(f"it waits for {standing.waits_for}", style="yellow")


def _print_trades(found: Sequence[RunTrade]) -> None:
    from candleray.terminal.run_words import amount

    rows = [
        (
            str(one.number),
            one.state,
            one.entry.side,
            minute_text(one.entered),
            amount(one.entry.price),
            minute_text(one.exited) if one.exited else "–",
            amount(one.exit.price) if one.exit else "–",
            one.exit.reason if one.exit else "–",
            f"{one.exit.pnl_quote:+,.2f}" if one.exit else "–",
            f"{one.exit.return_pct:+.3f}" if one.exit else "–",
        )
        for one in found
    ]
    names = ("event", "state", "side", "entered", "at", "exited", "at ", "by", "gain", "return %")
    print_table(output(), names, rows, text=("state", "side", "entered", "exited", "by"))


def _kinds(given: Sequence[str] | None) -> Sequence[str] | None:
    """Return the kinds of events that are asked for; raises InvalidInput for one that there is not."""
    from candleray.live.events import EventKind

    known = [one.value for one in EventKind]
    for one in given or ():
        if one not in known:
            raise invalid("--kind", "unknown_kind", f"--kind: {one!r} is no kind of event; {nearest(one, known)}")
    return given or None
