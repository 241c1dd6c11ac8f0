"""`python -m tests.bench.trust`: how often the verdict is right, on prices of which that is known.

Walks are drawn by seed, searched by the product's own course, and what the verdicts say is counted. The whole
takes some 20 minutes of CPU; it ends with 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.bench.trust.families import FAMILIES
from tests.bench.trust.questions import FIRST, QUESTIONS
from tests.bench.trust.trials import Runner

WALKS, QUICK_WALKS = 300, 20


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    walks = QUICK_WALKS if options.quick else options.walks
    families = options.families or ([FIRST] if options.quick else list(FAMILIES))
    runner, broken, began = Runner(options.seed, options.workers), list[str](), time.perf_counter()
    print(f"seed {options.seed}, {walks:,} walks of a family and fee\n")
    for name in options.only or QUESTIONS:
        table = QUESTIONS[name](runner, walks, families)
        broken += table.broken
        print(table, flush=True)
    runner.close()
    print(f"{runner.cpu_s:,.0f} s of CPU, {time.perf_counter() - began:,.0f} s")
    print("\n".join([f"{len(broken)} bounds are broken", *broken]) if broken else "every bound holds")
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.trust", description=__doc__)
    parser.add_argument(
        "--walks", type=int, default=WALKS, help="of each family and fee; ten thirds of it for PBO"
    )
    parser.add_argument("--families", action="append", choices=list(FAMILIES), help="this alone; repeatable")
    parser.add_argument("--only", action="append", choices=list(QUESTIONS), help="this question alone; repeatable")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--workers", type=int, default=1, help="processes that walk")
    parser.add_argument(
        "--quick", action="store_true", help=f"the first family, {QUICK_WALKS} walks: half a minute"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
