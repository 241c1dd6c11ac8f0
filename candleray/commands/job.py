"""Search in the background: submit a job, watch it, see its best, cancel it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candleray.terminal.console import notes, output, print_json
from candleray.terminal.exit_codes import ExitCode
from candleray.terminal.hints import after_ranking, here, interruptible, show_next
from candleray.terminal.last_answers import keep_answer
from candleray.terminal.options import (
    ApiUrl,
    AsJson,
    DataDir,
    MinTrades,
    RankBy,
    connect,
    read_request,
    with_ranking,
)
from candleray.terminal.progress import progress
from candleray.terminal.tables import print_table, second_text

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from candleray.backtests.preflight import Preflight
    from candleray.jobs.job import Job, JobDetail, JobTop
    from candleray.sdk.jobs import SubmittedJob

job = typer.Typer(
    no_args_is_help=True,
    help=f"{__doc__}\n\nExample: candleray job submit request.json",
    rich_markup_mode="markdown",
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Its id, or as much of its beginning as no other has.")]
RequestFile = Annotated[str, typer.Argument(metavar="FILE|-", help="The request as JSON; - reads it from stdin.")]
Rows = Annotated[int, typer.Option("--top", min=1, help="How many of the ranked variants to show.")]


@job.command()
def submit(
    request: RequestFile,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Stay and show its progress.")] = True,
    key: Annotated[
        str | None, typer.Option(help="A name of your own: sent again, it makes no second job.")
    ] = None,
    rank_by: RankBy = None,
    min_trades: MinTrades = None,
    top: Rows = 10,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Submit a request, and watch it unless told not to; Ctrl-C leaves it running.

    Example: candleray job submit request.json
    """
    body = with_ranking(read_request(request), rank_by, min_trades)
    with connect(api, data) as client:
        with interruptible("whether it was submitted `candleray job list` shows"):
            submitted = client.submit(body, key=key)
        notes().print(f"job {submitted.job_id}")
        for note in submitted.notes:
            notes().print(note)
        if watch:
            _watch(submitted, top, here(api, data), as_json)
        elif as_json:
            print_json({"job_id": submitted.job_id, "notes": submitted.notes})
        else:
            typer.echo(submitted.job_id)


@job.command("watch")
def watch_job(
    job_id: JobId, top: Rows = 10, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None
) -> None:
    """Show a job's progress until it has ended, then its best variants; Ctrl-C leaves it running.

    Example: candleray job watch 0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90
    """
    with connect(api, data) as client:
        _watch(client.job(job_id), top, here(api, data), as_json)


@job.command("top")
def show_top(
    job_id: JobId, top: Rows = 20, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None
) -> None:
    """Show the best variants of a job: so far while it runs, for good afterwards.

    Example: candleray job top 0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90 --top 50
    """
    with connect(api, data) as client:
        best = client.job(job_id).top(top)
    if as_json:
        output().print(best.model_dump_json(indent=2))
    else:
        _print_top(best)


@job.command()
def show(job_id: JobId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show a job and how it came to its state; with --json everything that is known of it.

    Example: candleray job show 0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90
    """
    with connect(api, data) as client:
        detail = client.job(job_id).status()
    if as_json:
        print_json(detail)
    else:
        _print_detail(detail)


@job.command()
def cancel(job_id: JobId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Ask a job to end; what it has found is kept and marked partial.

    Example: candleray job cancel 0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90
    """
    with connect(api, data) as client:
        submitted = client.job(job_id)
        submitted.cancel()
        with interruptible(f"job {submitted.job_id} ends all the same"):
            *_, last = submitted.watch()
    if as_json:
        print_json(last)
        return
    notes().print(f"job {job_id}: {last.state}, {last.variants_done:,} of {last.simulations:,} variants")


@job.command()
def delete(job_id: JobId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Forget a job that has ended, with everything it has found.

    Example: candleray job delete 0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90
    """
    with connect(api, data) as client:
        doomed = client.job(job_id)
        doomed.delete()
    if as_json:
        print_json({"deleted": doomed.job_id})
    else:
        notes().print(f"deleted job {doomed.job_id}")


@job.command("list")
def list_jobs(
    state: Annotated[
        list[str] | None,
        typer.Option(help="One of queued, running, succeeded, failed, cancelled; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """List your jobs, the newest first.

    Example: candleray job list --state running --state queued
    """
    with connect(api, data) as client:
        jobs = client.jobs(state=state, limit=limit)
    if as_json:
        typer.echo(f"[{','.join(listed.model_dump_json() for listed in jobs)}]")
    else:
        _print_jobs(jobs)


@job.command()
def preflight(
    request: RequestFile,
    rank_by: RankBy = None,
    min_trades: MinTrades = None,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Say what a request would cost on this cluster, and whether it may run.

    Example: candleray job preflight request.json
    """
    from candleray.backtests.preflight import Preflight
    from candleray.sdk.connection import read
    from candleray.sdk.references import request_body

    body = with_ranking(read_request(request), rank_by, min_trades)
    with connect(api, data) as client:
        estimate = read(Preflight, client.send("POST", "/backtests/preflight", content=request_body(client, body)))
    if as_json:
        print_json(estimate)
    else:
        _print_estimate(estimate)


def _watch(submitted: SubmittedJob, top: int, where: str, as_json: bool) -> None:
    """Show its progress until it has ended, then its best variants and what to do with them."""
    job_id = submitted.job_id
    back = (
        f"`candleray job watch {job_id}{where}` comes back to it, `candleray job cancel {job_id}{where}` ends it"
    )
    with interruptible(f"job {job_id} goes on; {back}"):
        last = _followed(submitted)
    if last is None or last.state == "failed":
        notes().print(f"failed: {last.error if last else 'unknown'}", style="bold red")
        raise typer.Exit(ExitCode.FAILED)
    best = submitted.top(top)
    from candleray.sdk.connection import encoded

    keep_answer(encoded(best), f"job watch {job_id}", submitted.url)
    if as_json:
        print_json(best)
        return
    _print_top(best)
    more = [f"job top {job_id} --top 50{where}"] if len(best.top) == top < 50 else []
    show_next(*after_ranking(len(best.top), where), *more)


def _followed(submitted: SubmittedJob) -> Job | None:
    """The job as it was when it ended."""
    shown_reason: str | None = None
    last: Job | None = None
    with progress(*_progress_columns()) as display:
        bar = display.add_task("queued", total=None, variants="", best="", eta="", rate="")
        for last in submitted.watch():
            display.update(
                bar,
                description=_phase_text(last),
                # By tasks, as the Ray dashboard's bar: a task takes as long as another, a variant does not.
                completed=last.tasks_done,
                total=last.tasks_total or None,
                **_progress_fields(last),
            )
            if last.waiting_for != shown_reason and (shown_reason := last.waiting_for):
                notes().print(f"waiting: {shown_reason}")
    return last


def _phase_text(job: JobDetail) -> str:
    from candleray.backtests.phase import Phase

    if job.phase is not Phase.COMPILE:
        return job.phase
    return f"compiling {', '.join(dict.fromkeys(one.id for one in job.request.named_indicators))} (once)"


def _progress_columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn

    return (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[variants]}"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[eta]}"),
        TextColumn("{task.fields[best]}", style="green"),
    )


def _progress_fields(job: Job) -> dict[str, Any]:
    best = "" if job.best_total_return_pct is None else f"best {job.best_total_return_pct:+,.2f} %"
    return {
        "variants": f"{job.done:,}/{job.total:,}" if job.total else "",
        "best": best,
        "eta": "" if job.eta_s is None else f"{job.eta_s:,.0f} s left",
        "rate": "" if job.variants_per_s is None else f"{job.variants_per_s:,.0f}/s",
    }


def _print_jobs(jobs: Sequence[Job]) -> None:
    rows = [
        (
            str(job.job_id),
            f"{job.instrument.symbol} {job.timeframe}",
            job.state.value,
            job.phase,
            f"{100 * job.variants_done / max(1, job.simulations):.0f} %",
            f"{job.variants_total:,}",
            "" if job.best_total_return_pct is None else f"{job.best_total_return_pct:,.2f}",
            second_text(job.created_at),
            job.waiting_for or job.error or "",
        )
        for job in jobs
    ]
    names = ("job", "market", "state", "phase", "done", "variants", "best return [%]", "created", "why")
    print_table(output(), names, rows, text=("job", "market", "state", "phase", "created", "why"))


def _print_detail(detail: JobDetail) -> None:
    """Print a job, and under it the transitions that led to its state."""
    _print_jobs([detail])
    rows = [
        (second_text(event.at), event.from_state or "–", event.to_state, str(event.attempt), event.cause)
        for event in detail.events
    ]
    output().print()
    print_table(output(), ("at", "from", "to", "attempt", "cause"), rows, text=("at", "from", "to", "cause"))


def _print_estimate(estimate: Preflight) -> None:
    """Print the numbers of a preflight, a line each, and the limits that are exceeded."""
    known = estimate.model_dump(mode="json")
    rows = [(name, _cell(value)) for name, value in known.items() if not isinstance(value, list)]
    rows += [
        (f"exceeds {guard['name']}", f"{_cell(guard['number'])}, the limit is {_cell(guard['limit'])}")
        for guards in known.values()
        if isinstance(guards, list)
        for guard in guards
        if isinstance(guard, dict) and "limit" in guard
    ]
    print_table(output(), ("field", "value"), rows, text=("field", "value"))


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def _print_top(best: JobTop) -> None:
    """Print the best variants with the parameters in which they differ, and the metric that ranks them."""
    from candleray.backtests.metrics import TOTAL_RETURN
    from candleray.backtests.parameters import parameters
    from candleray.backtests.report import shown

    strategies = [parameters(variant.strategy) for variant in best.top]
    first = strategies[0] if strategies else {}
    names = [name for name in first if len({repr(strategy.get(name)) for strategy in strategies}) > 1]
    leading = () if best.ranked_by == TOTAL_RETURN.name else (best.ranked_by,)
    rows = [
        (
            str(variant.rank),
            str(variant.variant_index),
            *(shown(name, variant.metrics.get(name)) for name in leading),
            f"{variant.total_return_pct:,.4f}",
            *(str(strategy.get(name)) for name in names),
        )
        for variant, strategy in zip(best.top, strategies, strict=True)
    ]
    progress_text = f"{best.state}, {best.variants_done:,} of {best.simulations:,} simulations"
    title = f"the best so far ({progress_text})" if best.partial else f"the best ({progress_text})"
    print_table(output(), ("rank", "variant", *leading, TOTAL_RETURN.name, *names), rows, title=title)
    if best.verdict_text:
        output().print(best.verdict_text)
    for note in best.notes:
        output().print(note)
