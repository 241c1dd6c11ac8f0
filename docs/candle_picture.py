"""Draws candles, lines over and under them, and lanes of the bars on which something is true, as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np

from candleray.timeframes import iso

STEP, LEFT, WIDTH = 6, 84, 820
PRICES_TOP, PRICES_HEIGHT, PANEL_HEIGHT, GAP, LANE = 40, 210, 70, 20, 14
COLOURS = ("#1f6feb", "#d9730d", "#8250df", "#0a7d55", "#b3261e", "#6b7280")
UP, DOWN = "#2e9e6b", "#d0453e"
LANES = {"long entry": UP, "long exit": "#e59a1c", "short entry": DOWN, "short exit": "#7b61c9"}


class Scene:
    """One picture: candles above, what is on another scale below them, lanes at the bottom."""

    def __init__(self, title: str, values: Any, stamps: Any) -> None:
        self.title, self.values, self.stamps = title, values, stamps
        self.low, self.high = float(values[2].min()), float(values[1].max())
        self.over: dict[str, Any] = {}
        self.under: dict[str, Any] = {}
        self.lanes: dict[str, tuple[Any, Any]] = {}

    def add_line(self, label: str, line: Any) -> None:
        """Draw it over the candles where it is on their scale, else below them."""
        reach = self.high - self.low
        known = line[~np.isnan(line)]
        near = known.size and self.low - reach < float(np.median(known)) < self.high + reach
        (self.over if near else self.under)[label] = line

    def add_lane(self, label: str, flags: Any, entries: Any) -> None:
        self.lanes[label] = (flags, entries)

    def svg(self) -> str:
        panel_top = PRICES_TOP + PRICES_HEIGHT + GAP
        lanes_top = panel_top + (PANEL_HEIGHT + GAP if self.under else 0)
        height = lanes_top + len(self.lanes) * LANE + 26
        drawn = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            f'font-size="11">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *self._legend(),
            *self._prices(),
            *self._panel(panel_top),
            *self._lanes(lanes_top),
            *self._dates(height - 8),
            "</svg>",
        ]
        return "\n".join(drawn) + "\n"

    def _colours(self) -> dict[str, str]:
        return dict(zip([*self.over, *self.under], COLOURS * 2, strict=False))

    def _legend(self) -> Iterator[str]:
        at = LEFT
        for label, colour in self._colours().items():
            yield f'<text x="{at}" y="20" fill="{colour}">{escape(label)}</text>'
            at += 14 + 6 * len(label)

    def _prices(self) -> Iterator[str]:
        shown = [self.values[1:3], *(line[None] for line in self.over.values())]
        scale = Scale(shown, PRICES_TOP, PRICES_HEIGHT)
        yield from scale.labels()
        for rising, colour in ((True, UP), (False, DOWN)):
            wicks, bodies = self._candles(rising, scale)
            yield f'<path d="{wicks}" stroke="{colour}" stroke-width="1" fill="none"/>'
            yield f'<path d="{bodies}" stroke="{colour}" stroke-width="4" fill="none"/>'
        for label, line in self.over.items():
            yield path_of(line, scale, self._colours()[label])
        for label, (_, entries) in self.lanes.items():
            if label.endswith("entry"):
                yield from self._triangles(label, entries, scale)

    def _candles(self, rising: bool, scale: Scale) -> tuple[str, str]:
        wicks, bodies = [], []
        for at, (open_, high, low, close, _) in enumerate(self.values.T.tolist()):
            if (close >= open_) is rising:
                top, bottom = scale.y(max(open_, close)), scale.y(min(open_, close))
                wicks.append(f"M{x_of(at)} {scale.y(high):.1f}V{scale.y(low):.1f}")
                bodies.append(f"M{x_of(at)} {top:.1f}V{max(bottom, top + 0.8):.1f}")
        return "".join(wicks), "".join(bodies)

    def _triangles(self, label: str, entries: Any, scale: Scale) -> Iterator[str]:
        is_long = label.startswith("long")
        for at in np.flatnonzero(entries).tolist():
            tip = scale.y(self.values[2 if is_long else 1][at]) + (5 if is_long else -5)
            base = tip + (9 if is_long else -9)
            x = x_of(at)
            yield f'<path d="M{x} {tip:.1f}L{x - 5} {base:.1f}H{x + 5}Z" fill="#111827"/>'

    def _panel(self, top: int) -> Iterator[str]:
        if self.under:
            scale = Scale([line[None] for line in self.under.values()], top, PANEL_HEIGHT)
            yield from scale.labels()
            for label, line in self.under.items():
                yield path_of(line, scale, self._colours()[label])

    def _lanes(self, top: int) -> Iterator[str]:
        for number, (label, (flags, _)) in enumerate(self.lanes.items()):
            y = top + number * LANE
            yield f'<text x="{LEFT - 8}" y="{y + 10}" text-anchor="end" fill="#374151">{label}</text>'
            yield f'<rect x="{LEFT}" y="{y + 1}" width="{len(flags) * STEP}" height="{LANE - 3}" fill="#f1f3f5"/>'
            edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(int), [0]))))
            for first, end in edges.reshape(-1, 2).tolist():
                yield (
                    f'<rect x="{LEFT + first * STEP}" y="{y + 1}" width="{(end - first) * STEP}" '
                    f'height="{LANE - 3}" fill="{LANES[label]}"/>'
                )

    def _dates(self, y: int) -> Iterator[str]:
        for at in range(0, len(self.stamps), 30):
            text = iso(int(self.stamps[at]))[5:16].replace("T", " ")
            yield f'<text x="{LEFT + at * STEP}" y="{y}" fill="#6b7280">{text}</text>'


class Scale:
    """Values to heights of a panel, the largest on top."""

    def __init__(self, shown: list[Any], top: int, height: int) -> None:
        self.least = min(float(np.nanmin(one)) for one in shown)
        self.most = max(float(np.nanmax(one)) for one in shown)
        self.top, self.height = top, height

    def y(self, value: float) -> float:
        return self.top + self.height * (self.most - value) / ((self.most - self.least) or 1.0)

    def labels(self) -> Iterator[str]:
        for value in (self.most, self.least):
            text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
            y = self.y(value)
            yield f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end" fill="#6b7280">{text}</text>'
            yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - 10}" stroke="#e5e7eb" fill="none"/>'


def x_of(at: int) -> int:
    return LEFT + at * STEP + STEP // 2


def path_of(line: Any, scale: Scale, colour: str) -> str:
    points = [f"{x_of(at)} {scale.y(value):.1f}" for at, value in enumerate(line.tolist()) if value == value]
    return f'<path d="M{"L".join(points)}" stroke="{colour}" stroke-width="1.3" fill="none"/>'
