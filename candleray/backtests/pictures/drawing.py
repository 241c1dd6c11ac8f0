"""Pictures of a verdict as one SVG, readable on light and dark ground, with nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from candleray.backtests.pictures.distributions import Cloud, Histogram
from candleray.backtests.verdict import SPLITS, Verdict

WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 150, 44, 34, 40
"""A panel's plot, its margins, and the room below it for the labels."""

STYLE = """
text{font:12px system-ui,sans-serif;fill:#1b1f24}.title{font-weight:600}.quiet{fill:#57606a}
.bar{fill:#0b5cad}.line{stroke:#57606a;stroke-width:1;fill:none}.mark{stroke:#b42318;stroke-width:2;fill:none}
.gain{fill:#1a7f37}.loss{fill:#b42318}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9aa4b0}.bar{fill:#6cb0f5}.line{stroke:#9aa4b0}
.mark{stroke:#ff7b72}.gain{fill:#4ac26b}.loss{fill:#ff7b72}}
""".replace("\n", "")


PAGE_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
th{text-align:left;font-weight:400;padding-right:2rem}td{text-align:right}svg{width:100%}
""".replace("\n", "")


class Panel(NamedTuple):
    title: str
    shapes: Iterable[str]
    low: str
    high: str
    """Labels at the two ends of the horizontal axis."""
    about: str


def drawn(verdict: Verdict) -> str | None:
    """Return the pictures of a verdict; None where it has none: it says nothing, or is older than them."""
    pictures = verdict.pictures
    if pictures is None:
        return None
    panels = [
        Panel(
            "How the winner of one half ranks on the other",
            _bars(pictures.ranks, chance=SPLITS / len(pictures.ranks.counts)),
            "worst",
            "best",
            "dashed: chance",
        ),
        Panel(
            "What the winners returned on the other half",
            _cells(pictures.halves),
            f"{pictures.halves.inside_low_pct:+,.0f} %",
            f"{pictures.halves.inside_high_pct:+,.0f} %",
            f"on their own half; {100 * (verdict.losing_splits or 0.0):.0f} % lost",
        ),
        Panel(
            "What luck alone gives the grid",
            _bars(pictures.luck, mark=_own_best(pictures.luck)),
            f"{pictures.luck.low:.1f} × its best",
            f"{pictures.luck.high:.1f} ×",
            "red: its own best",
        ),
    ]
    if verdict.walk_forward is not None:
        panels.append(_walked(verdict))
    return _page(panels, verdict.line)


def page_of(verdict: Verdict, title: str) -> str:
    """Return a verdict as one HTML file that needs no other: its words, its numbers and its pictures."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in verdict.numbers)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{PAGE_STYLE}'
        f"</style><h1>{escape(title)}</h1><p>{escape(verdict.text)}</p>{drawn(verdict) or ''}"
        f"<table>{rows}</table></html>"
    )


def _own_best(luck: Histogram) -> float:
    """Return where the grid's own best lies, which is 1 of its own units, or -1 where it loses."""
    return 1.0 if luck.high >= 1 else -1.0


def _bars(histogram: Histogram, chance: float | None = None, mark: float | None = None) -> list[str]:
    counts = histogram.counts
    most, width = max(*counts, chance or 0, 1), WIDTH / len(counts)
    shapes = [
        f'<rect class="bar" x="{at * width:.1f}" y="{HEIGHT - HEIGHT * count / most:.1f}" '
        f'width="{max(width - 1, 0.5):.1f}" height="{HEIGHT * count / most:.1f}"/>'
        for at, count in enumerate(counts)
        if count
    ]
    if chance is not None:
        y = HEIGHT - HEIGHT * chance / most
        shapes.append(f'<path class="line" stroke-dasharray="4 3" d="M0 {y:.1f}H{WIDTH}"/>')
    if mark is not None:
        x = _along(mark, histogram.low, histogram.high, WIDTH)
        shapes.append(f'<path class="mark" d="M{x:.1f} 0V{HEIGHT}"/>')
    return shapes


def _cells(cloud: Cloud) -> list[str]:
    width, height = WIDTH / cloud.columns, HEIGHT / cloud.rows
    most = max(count for _, _, count in cloud.cells)
    shapes = [
        f'<rect class="bar" opacity="{0.15 + 0.85 * (count / most) ** 0.5:.2f}" x="{column * width:.1f}" '
        f'y="{HEIGHT - (row + 1) * height:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        for column, row, count in cloud.cells
    ]
    low, high = cloud.outside_low_pct, cloud.outside_high_pct
    if low < 0 < high:  # rows are equal in logs
        y = HEIGHT - _along(0.0, math.log1p(low / 100), math.log1p(high / 100), HEIGHT)
        shapes.append(f'<path class="mark" d="M0 {y:.1f}H{WIDTH}"/>')
    return [*shapes, _beside(f"{high:+.0f} %", 8), _beside(f"{low:+.0f} %", HEIGHT)]


def _walked(verdict: Verdict) -> Panel:
    """Draw what whoever chose by the past had after each block, with the return of each."""
    walked = verdict.walk_forward
    assert walked is not None
    equity = [1.0]
    for fold in walked.folds:
        equity.append(equity[-1] * (1 + fold.return_pct / 100))
    low, high = min(equity), max(equity)
    width = WIDTH / max(1, len(walked.folds))
    line = " ".join(
        f"{at * width:.1f},{HEIGHT - _along(one, low, high, HEIGHT):.1f}" for at, one in enumerate(equity)
    )
    names = [
        f'<text class="{"gain" if fold.return_pct > 0 else "loss"}" x="{(at + 0.5) * width:.1f}" y="{HEIGHT - 3}" '
        f'text-anchor="middle" style="font-size:8px">{fold.variant_index}</text>'
        for at, fold in enumerate(walked.folds)
    ]
    start = HEIGHT - _along(1.0, low, high, HEIGHT)
    shapes = [f'<path class="line" stroke-dasharray="4 3" d="M0 {start:.1f}H{WIDTH}"/>']
    shapes += [f'<polyline class="mark" points="{line}"/>', *names]
    shapes += [_beside(f"{100 * (high - 1):+.0f} %", 8), _beside(f"{100 * (low - 1):+.0f} %", HEIGHT)]
    return Panel(
        "Walk-forward: chosen, then traded",
        shapes,
        f"{walked.folds[0].start:%Y-%m-%d}" if walked.folds else "",
        f"{walked.folds[-1].end:%Y-%m-%d}" if walked.folds else "",
        f"{walked.return_pct:+.1f} %",
    )


def _along(value: float, low: float, high: float, length: float) -> float:
    return length * (value - low) / (high - low) if high > low else length / 2


def _beside(text: str, y: float) -> str:
    place = f'x="-5" y="{y:.0f}" text-anchor="end"'
    return f'<text class="quiet" {place} style="font-size:10px">{escape(text)}</text>'


def _page(panels: Sequence[Panel], line: str) -> str:
    each, high = LEFT + WIDTH + 20, TOP + HEIGHT + GAP
    columns = 2
    width, height = columns * each, -(-len(panels) // columns) * high
    below, middle = HEIGHT + 16, WIDTH // 2
    body = "".join(
        f'<g transform="translate({LEFT + (at % columns) * each} {TOP + (at // columns) * high})">'
        f'<text class="title" x="0" y="-12">{escape(panel.title)}</text>'
        f'<path class="line" d="M0 0V{HEIGHT}H{WIDTH}"/>{"".join(panel.shapes)}'
        f'<text class="quiet" x="0" y="{below}">{escape(panel.low)}</text>'
        f'<text class="quiet" x="{middle}" y="{below}" text-anchor="middle">{escape(panel.about)}</text>'
        f'<text class="quiet" x="{WIDTH}" y="{below}" text-anchor="end">{escape(panel.high)}</text></g>'
        for at, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(line, quote=True)}"><style>{STYLE}</style>{body}</svg>'
    )
