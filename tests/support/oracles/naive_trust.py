"""The verdict's numbers again, split by split in plain Python, sharing no code with the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Row = Sequence[int]

BLOCKS = range(16)


def halves() -> list[tuple[int, ...]]:
    return list(combinations(BLOCKS, 8))


def winner(rows: Sequence[Row], chosen: Sequence[int]) -> tuple[int, int]:
    """The place and the sum of the best over the chosen blocks; of equals the first."""
    sums = [sum(row[block] for block in chosen) for row in rows]
    best = max(sums)
    return sums.index(best), best


def half_facts(rows: Sequence[Row], chosen: Sequence[int]) -> tuple[int, int, int, float]:
    """The winner of a half, its sum there and on the other half, and its ω among all there."""
    place, inside = winner(rows, chosen)
    rest = [block for block in BLOCKS if block not in chosen]
    others = [sum(row[block] for block in rest) for row in rows]
    outside = others[place]
    less = sum(other < outside for other in others)
    equal = sum(other == outside for other in others)
    rank = 1 + less + (equal - 1) / 2
    return place, inside, outside, rank / (len(rows) + 1)


def overfitting(rows: Sequence[Row]) -> dict[str, float]:
    """PBO, the share of losing splits, and what the winners keep."""
    facts = [half_facts(rows, chosen) for chosen in halves()]
    inside, outside = sum(one[1] for one in facts), sum(one[2] for one in facts)
    return {
        "pbo": sum(1.0 if omega < 0.5 else 0.5 if omega == 0.5 else 0.0 for *_, omega in facts) / len(facts),
        "loses": sum(outside < 0 for _, _, outside, _ in facts) / len(facts),
        "kept": outside / inside if inside > 0 else float("nan"),
    }


def turned_best(rows: Sequence[Row], up: Sequence[int]) -> int:
    """The best sum with the signs of all blocks but these turned."""
    return max(sum(row[block] if block in up else -row[block] for block in BLOCKS) for row in rows)
