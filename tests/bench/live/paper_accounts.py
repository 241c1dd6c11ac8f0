"""Costs of a minute of many paper accounts, and of bringing one back over a year of minutes.

python -m tests.bench.live.paper_accounts
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from kernels.bits import pack
from kernels.live.bar_signals import Decisions, bar_signals
from kernels.live.paper_accounts import TERMS, new_accounts
from kernels.live.steps import Tapes, step_accounts
from tests.support.oracles.drawn_runs import DrawnRun

RUNS, TAPES, ROUNDS = 10_000, 200, 30
YEAR = 525_600


def smallest_ms(work: Callable[[int], None], rounds: int) -> float:
    """CPU time of the fastest round, in milliseconds."""
    times = []
    for number in range(rounds):
        began = time.process_time()
        work(number)
        times.append(time.process_time() - began)
    return min(times) * 1000


def minute_of_all() -> float:
    """A bar of every run: final signals and accounts."""
    drawn = [DrawnRun(seed, ROUNDS) for seed in range(500)]
    runs = [drawn[at % len(drawn)] for at in range(RUNS)]
    counts = np.array([len(run.flags) for run in runs])
    firsts = np.cumsum(counts) - counts
    decisions = Decisions.of(
        [
            ([2 * (int(first) + at) for at in range(len(run.flags))], run.program)
            for first, run in zip(firsts, runs, strict=True)
        ]
    )
    terms = np.array([run.terms.record for run in runs], TERMS)
    accounts, places = new_accounts(terms), np.arange(RUNS)
    flags = np.concatenate([run.flags for run in runs])
    truths = [pack(flags[:, :, bar : bar + 1]) for bar in range(ROUNDS)]
    rng = np.random.default_rng(3)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.003, (ROUNDS, TAPES, 1)), axis=0))
    none = np.zeros((TAPES, 1), np.uint8)

    def minute(number: int) -> None:
        signals, _ = bar_signals(decisions, terms, places, truths[number], 1)
        tapes = Tapes(np.full((TAPES, 1), number), closes[number], none)
        step_accounts(accounts, terms, places, places % TAPES, tapes, signals)

    return smallest_ms(minute, ROUNDS)


def year_of_one() -> float:
    run = DrawnRun(5, YEAR)
    terms, one = np.array([run.terms.record], TERMS), np.zeros(1, np.int64)
    decisions, truths = Decisions.of([(run.rows, run.program)]), pack(run.flags)
    tapes = Tapes(np.arange(YEAR)[None], run.close[None], np.zeros((1, YEAR), np.uint8))

    def year(_: int) -> None:
        signals, _ = bar_signals(decisions, terms, one, truths, YEAR)
        step_accounts(new_accounts(terms), terms, one, one, tapes, signals)

    return smallest_ms(year, 5)


def main() -> None:
    print(f"a minute of {RUNS:,} runs on {TAPES} tapes, truths to accounts: {minute_of_all():.1f} ms of CPU")
    print(f"a year of minutes of one run, truths to account: {year_of_one():.1f} ms of CPU")


if __name__ == "__main__":
    main()
