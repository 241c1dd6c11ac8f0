"""Cases for the simulator: drawn by hypothesis, or from a seed where thousands of them run one after another."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import strategies as st

from candleray.timeframes import MINUTE_MS
from tests.support.oracles import oracle

PRICES = st.sampled_from([1.0, 50.0, 99.0, 100.0, 100.0, 100.0, 101.0, 105.0, 150.0, 200.0, 400.0])
MARKS = st.sampled_from(".LSX")
RULES = st.builds(
    oracle.Rules,
    direction=st.sampled_from(["long-only", "short-only", "long-short"]),
    exit_on=st.sampled_from(["opposite", "neutral"]),
    fee_pct=st.sampled_from([0.0, 0.075, 0.1, 5.0]),
    slippage_pct=st.sampled_from([0.0, 0.01, 2.0]),
    init_cash_quote=st.sampled_from([10_000.0, 1.0]),
    sizing=st.sampled_from(["all_in", "fixed_quote", "strategy_compound", "strategy_compound_profit_lock"]),
    fixed_quote=st.sampled_from([0.4, 3_000.0, 20_000.0]),
    safe_profit_percent=st.sampled_from([0.0, 25.0, 100.0]),
)


@st.composite
def signals(draw, n: int) -> str:
    """Levels in runs, as indicators give them, from single bars to longer than a word of bits."""
    marks = ""
    while len(marks) < n:
        marks += draw(MARKS) * draw(st.sampled_from([1, 1, 2, 3, 7, 64, 70]))
    return marks[:n]


@st.composite
def prices(draw, n: int) -> list[float]:
    closes: list[float] = []
    while len(closes) < n:
        closes += [draw(PRICES)] * draw(st.sampled_from([1, 1, 1, 2, 30]))
    return closes[:n]


@st.composite
def cases(draw):
    n = draw(st.one_of(st.integers(1, 12), st.sampled_from([63, 64, 65, 127, 128, 129, 200])))
    axes = [[draw(signals(n)) for _ in range(draw(st.integers(1, 2)))] for _ in range(draw(st.integers(1, 3)))]
    bar_minutes = draw(st.sampled_from([1, 60, 1440]))
    gap = draw(st.sampled_from([0, 0, 5_000]))
    stamps = [(t + (gap if t > n // 2 else 0)) * bar_minutes * MINUTE_MS for t in range(n)]
    rules = draw(RULES)
    return (
        draw(prices(n)),
        axes,
        stamps,
        bar_minutes * MINUTE_MS,
        replace(rules, budget_quote=rules.init_cash_quote / 2),
    )


def drawn_closes(draw: random.Random, n: int) -> list[float]:
    """A walk with flat stretches, gaps, limit moves and leaps over twice the price."""
    closes = [draw.choice([100.0, 0.0001, 65_000.0])]
    while len(closes) < n:
        kind = draw.random()
        if kind < 0.2:
            closes += [closes[-1]] * draw.randint(1, 20)
        elif kind < 0.25:
            closes.append(closes[-1] * draw.choice([0.3, 0.5, 0.9, 1.1, 2.0, 2.5]))
        else:
            closes.append(closes[-1] * (1 + draw.gauss(0, draw.choice([0.0005, 0.005, 0.05]))))
        closes[-1] = max(closes[-1], 1e-6)
    return closes[:n]


def drawn_signal(draw: random.Random, n: int) -> str:
    marks = ""
    while len(marks) < n:
        marks += draw.choice("LLSS..X") * draw.choice([1, 1, 2, 3, 7, 40])
    return marks[:n]


def drawn_rules(draw: random.Random) -> oracle.Rules:
    cash = draw.choice([10_000.0, 1.0])
    return oracle.Rules(
        direction=draw.choice(["long-only", "short-only", "long-short"]),
        exit_on=draw.choice(["opposite", "neutral"]),
        fee_pct=draw.choice([0.0, 0.075, 0.1, 5.0]),
        slippage_pct=draw.choice([0.0, 0.01, 2.0]),
        init_cash_quote=cash,
        sizing=draw.choice(["all_in", "fixed_quote", "strategy_compound", "strategy_compound_profit_lock"]),
        fixed_quote=cash * draw.choice([0.1, 0.4, 2.0]),
        budget_quote=cash * draw.choice([0.25, 1.0]),
        safe_profit_percent=draw.choice([0.0, 25.0, 100.0]),
    )
