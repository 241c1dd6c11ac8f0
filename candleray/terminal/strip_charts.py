"""Charts of a series in a few lines of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

HEIGHT = 8
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def strip_chart(points: Sequence[float], width: int) -> list[str]:
    """Draw points as columns from their lowest to their highest, each of the last of some points.

    The first line and the last name both ends of the scale.
    """
    columns = max(1, min(width, len(points)))
    shown = [points[(at + 1) * len(points) // columns - 1] for at in range(columns)]
    lowest, highest = min(shown), max(shown)
    spread = highest - lowest or 1.0
    heights = [round((point - lowest) / spread * (HEIGHT * 8 - 1)) + 1 for point in shown]
    lines = []
    for row in range(HEIGHT - 1, -1, -1):
        cells = "".join(_EIGHTHS[min(8, max(0, height - row * 8))] for height in heights)
        label = highest if row == HEIGHT - 1 else lowest if row == 0 else None
        lines.append(f"{'' if label is None else f'{label:,.2f}':>14} {cells}".rstrip())
    return lines
