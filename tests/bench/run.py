"""`python -m tests.bench.run`: every section, one table, one JSON file."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from tests.bench import compiling, indicators, memory, parity, ranking, signals, stage_a, stage_b
from tests.bench.machine import describe_machine
from tests.bench.table import Row, as_text, write_json
from tests.bench.timing import pin_to_one_core
from tests.bench.workload import Market, load_market

Section: TypeAlias = Callable[[Market, bool], list[Row]]

SECTIONS: dict[str, Section] = {
    "parity": parity.rows,
    "stage-a": stage_a.rows,
    "stage-b": stage_b.rows,
    "fills": stage_b.fill_rows,
    "levels": stage_b.level_rows,
    "signals": signals.rows,
    "rank-by": ranking.rows,
    "indicators": indicators.rows,
    "compile": compiling.rows,
    "memory": memory.rows,
}
PACKAGES = ("numba", "numpy", "pandas", "vectorbt", "vectorbt-rust", "backtesting", "ta-lib")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    about = _about(pin_to_one_core())
    market = load_market()
    about["candles"] = market.source
    rows: list[Row] = []
    for name in options.only or SECTIONS:
        started = time.perf_counter()
        rows += SECTIONS[name](market, options.quick)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(", ".join(f"{key}: {value}" for key, value in about.items()), end="\n\n")
    print(as_text(rows))
    write_json(options.json, about, rows)
    print(f"\nwritten to {options.json}")
    return 1 if parity.disagreements(rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, smaller samples: a minute or two")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="this section alone; repeatable")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the table is written")
    return parser


def _about(core: int) -> dict[str, Any]:
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        **describe_machine(core),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    sys.exit(main())
