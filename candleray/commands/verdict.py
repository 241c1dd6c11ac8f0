"""`candleray verdict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.errors import NotFound
from candleray.private_files import expanded
from candleray.terminal.console import notes, output, print_json
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect
from candleray.terminal.ranked_variants import Back, Last, read_content
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from candleray.backtests.verdict import Verdict


def verdict(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE|-]", help="A backtest's answer as JSON; - reads stdin.")
    ] = None,
    last: Last = False,
    back: Back = 1,
    job: Annotated[str | None, typer.Option(help="In place of a file: a job that has succeeded.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it with its pictures: .html, or .svg alone.")
    ] = None,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Show the verdict of a search, skill or luck, with every number behind it and its pictures.

    Example: candleray verdict --last --out verdict.html
    """
    if job is None:
        found = _of_answer(file, last, back)
    else:
        with connect(api, data) as client:
            top = client.job(job).top(limit=1)
        if top.verdict is None:
            raise NotFound(f"job {top.job_id} is {top.state}, and has no verdict")
        found = top.verdict
    if out is not None:
        _write(found, expanded(out))
    if as_json:
        print_json(found)
    else:
        _print_verdict(found)


def _of_answer(file: str | None, last: bool, back: int) -> Verdict:
    from candleray.backtests.verdict import Verdict

    content = read_content(file, last, back).get("verdict")
    if content is None:
        raise NotFound(
            'that answer has no verdict: its request said "verdict": false, or it is older than verdicts'
        )
    return Verdict.model_validate(content)


def _print_verdict(found: Verdict) -> None:
    console = output()
    console.print(found.text, highlight=False)
    if found.says is not None:
        print_table(console, ("number", "value"), found.numbers, text=("number",))


def _write(found: Verdict, out: Path) -> None:
    from candleray.backtests.pictures.drawing import drawn, page_of

    pictures = drawn(found)
    if pictures is None:
        notes().print("this verdict has no pictures: it says nothing, or its answer is older than they")
    content = pictures if out.suffix == ".svg" else page_of(found, "Skill or luck")
    if content is not None:
        out.write_text(content)
        notes().print(f"written: {out}")
