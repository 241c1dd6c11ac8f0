"""`python -m tests.bench.jobs`: a million variants as a job on a real instance, measured from outside.

Prints wall time, the efficiency of the cores, memory (PSS) of every process over idle, how near the preflight's
estimates came, and whether the answer is the same for other numbers of cores and sizes of tasks. `--only signals`
prints that of a million variants of signals, and after `kill -9` of its driver and of a worker. Real candles where
they are beside the checkout, generated ones otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from typing import Any

import psutil

from candleray import Client
from candleray.backtests.phase import Phase
from candleray.candles import CandleRows
from candleray.errors import InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from tests.bench.workload import load_market
from tests.support.api.hostile_requests import HOSTILE
from tests.support.searches import search_over

SECTIONS = ("million", "signals", "estimates", "latency", "refusals", "bytes")
YEAR = {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
PLACE = {"market_id": 1, "symbol": "BTCUSDT"}
COMMON: dict[str, Any] = {"instrument": PLACE, "timeframe": "1m", "time_range": YEAR, "top_k": 500}

MILLION: dict[str, Any] = {
    **COMMON,
    "indicators": [
        {"id": "sma", "params": {"window": {"start": 20, "stop": 400, "step": 20}}},
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 10, 14, 18, 21]}},
            "signal": {"long_threshold": {"values": [20, 25, 30, 35, 40]}, "short_threshold": 70},
        },
        {"id": "roc", "params": {"window": {"values": [5, 60]}}},
    ],
    "risk": {
        "sl_pct": {"start": 0.5, "stop": 12.5, "step": 0.5},
        "tp_pct": {"start": 0.5, "stop": 20, "step": 0.5},
    },
    "preselect": "all",
}
"""Three indicators, 1,000 base variants, 1,000 combinations of stop levels."""

MILLION_OF_SIGNALS: dict[str, Any] = {
    **COMMON,
    "let": {
        "fast": {"id": "ema", "params": {"window": {"start": 10, "stop": 59, "step": 1}}},
        "slow": {"id": "ema", "params": {"window": {"start": 100, "stop": 295, "step": 5}}},
        "trend": {"id": "sma", "timeframe": "1d", "params": {"window": 50}},
        "day": {"price": "close", "timeframe": "1d"},
    },
    "signals": {
        "long_entry": {
            "all": [
                {"cross_above": ["fast", "slow"]},
                {"below": [{"id": "adx"}, {"values": [15, 20, 25, 30, 35]}]},
                {"above": ["day", "trend"]},
            ]
        },
        "long_exit": {"cross_below": ["fast", "slow"]},
    },
    "risk": {"sl_pct": {"start": 0.5, "stop": 5, "step": 0.5}, "tp_pct": {"start": 1, "stop": 10, "step": 1}},
    "preselect": "all",
}
"""A cross of two averages with an ADX filter and a daily trend filter: 10,000 base variants, 100 combinations."""

TEN_MILLION: dict[str, Any] = {
    **MILLION,
    "timeframe": "1h",
    "indicators": [
        {"id": "sma", "params": {"window": {"start": 5, "stop": 500, "step": 5}}},
        *MILLION["indicators"][1:],
    ],
    "risk": {"sl_pct": {"start": 0.5, "stop": 25, "step": 0.5}, "tp_pct": {"start": 0.5, "stop": 20, "step": 0.5}},
}
"""Hourly: 5,000 base variants, 2,000 combinations."""


def _two(first: dict[str, Any], second: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**COMMON, "indicators": [first, second], **changes}


WINDOWS = {"window": {"start": 5, "stop": 500, "step": 1}}
ESTIMATED: dict[str, dict[str, Any]] = {
    "a million, three indicators, stops": MILLION,
    "ten million hourly, stops": TEN_MILLION,
    "250,000 averages, no stops": _two({"id": "sma", "params": WINDOWS}, {"id": "ema", "params": WINDOWS}),
    "shortlist of 2,000 under 400 combinations": _two(
        {"id": "sma", "params": WINDOWS},
        {
            "id": "rsi",
            "params": {"window": {"start": 5, "stop": 25, "step": 1}},
            "signal": {"long_threshold": {"values": [20, 30]}, "short_threshold": {"values": [70, 80]}},
        },
        risk={
            "sl_pct": {"start": 0.5, "stop": 10, "step": 0.5},
            "tp_pct": {"start": 0.5, "stop": 10, "step": 0.5},
        },
        preselect=2000,
    ),
    "short only, trades by the thousand": _two(
        {"id": "sma", "params": {"window": {"start": 3, "stop": 102, "step": 1}}},
        {"id": "roc", "params": {"window": {"start": 1, "stop": 400, "step": 1}}},
        direction="short-only",
        exit_on="neutral",
    ),
}


@contextmanager
def instance(**changes: str) -> Iterator[tuple[Client, int]]:
    """A client of an instance with the candles loaded, and its supervisor's process."""
    with tempfile.TemporaryDirectory(prefix="cr-bench-", dir="/tmp") as folder:
        environment = {**os.environ, "CANDLERAY_ENVIRONMENT": "dev", **changes}
        data = f"{folder}/data"

        def candleray(*arguments: str) -> None:
            command = [sys.executable, "-m", "candleray", *arguments, "--data", data]
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)

        os.chmod(folder, 0o711)
        candleray("up", "--detach", "--port", "27100")
        try:
            candleray("login")
            about = json.loads(Path(data, "instance.json").read_text())
            with Client(about["api_url"], timeout_s=120) as client:
                market = load_market()
                client.put_candles(
                    "binance-spot", "BTCUSDT", CandleRows.of(market.minutes.ts_open_ms, market.minutes.values)
                )
                yield client, about["pid"]
        finally:
            candleray("down")


class Memory:
    """The largest PSS of a process and everything below it, sampled."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self.most = self.most_of_a_worker = 0
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def now(self) -> int:
        total = 0
        for process in tree_of(self._pid):
            with suppress(psutil.Error):
                held = process.memory_full_info().pss
                total += held
                if is_worker(process):
                    self.most_of_a_worker = max(self.most_of_a_worker, held)
        return total

    def _sample(self) -> None:
        while not self._ended.wait(0.5):
            self.most = max(self.most, self.now())

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def tree_of(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def is_worker(process: psutil.Process) -> bool:
    """Tell if it is a process of Ray that works on tasks, or waits for one."""
    words = " ".join(process.cmdline())
    return words.startswith(tuple(f"ray::{phase}" for phase in (*Phase, "IDLE")))


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, of everything below it and of those that have ended there."""
    total = 0.0
    for process in tree_of(pid):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def run_job(client: Client, request: dict[str, Any]) -> tuple[Any, str, float]:
    """The ended job, the hash of its top, seconds from its submission."""
    began = time.perf_counter()
    job = client.submit(request)
    *_, last = job.watch()
    seconds = time.perf_counter() - began
    assert last.state == "succeeded", last
    return job, digest_of(job), seconds


def digest_of(job: Any) -> str:
    top = job.top(500).model_dump_json(include={"top"})
    return hashlib.sha256(top.encode()).hexdigest()


def show_million(client: Client, pid: int) -> str:
    idle = Memory(pid).now()  # before any job: an ended one's driver and workers stay for a while
    run_job(client, {**MILLION, "risk": {"sl_pct": 1}})  # the kernels are compiled
    job, digest = show_efficiency(client)
    with Memory(pid) as memory:  # a run of its own: to sample takes a tenth of a core
        run_job(client, MILLION)
    print(f"PSS idle {idle / 2**30:.2f} GiB, most over idle {(memory.most - idle) / 2**30:.2f} GiB")
    with Memory(pid) as memory:
        _, _, seconds = run_job(client, TEN_MILLION)
    print(f"10,000,000 hourly variants: {seconds:.1f} s, over idle {(memory.most - idle) / 2**30:.2f} GiB")
    check_against_single_variants(client, job)
    return digest


def show_signals() -> dict[str, str]:
    """Run the million of signals with one core and two, then with a driver and a worker killed; their bytes."""
    digests = {}
    for cores in (1, 2):
        with instance(CANDLERAY_COMPUTE__NUM_CPUS=str(cores)) as (client, pid):
            run_job(client, {**MILLION_OF_SIGNALS, "risk": {"sl_pct": 1}})  # the kernels are compiled
            before_s = cpu_s(pid)
            with Memory(pid) as memory:
                job, digest, seconds = run_job(client, MILLION_OF_SIGNALS)
            digests[f"signals, {cores} workers"] = digest
            print(
                f"signals, {cores} workers: 1,000,000 variants, 525,600 bars: {seconds:.1f} s, CPU of the whole "
                f"instance {cpu_s(pid) - before_s:.1f} s; a worker at most "
                f"{memory.most_of_a_worker / 2**20:,.0f} MiB, all {memory.most / 2**20:,.0f} MiB; "
                f"{job.result().elapsed_s}",
                flush=True,
            )
            if cores == 2:
                digests |= {f"signals, {name} killed": _killed(client, pid, name) for name in VICTIMS}
    return digests


VICTIMS = {"driver": "cluster.search.job ", "worker": f"ray::{Phase.STAGE_B}"}


def _killed(client: Client, pid: int, name: str) -> str:
    """Kill one with `kill -9` in the middle of the combinations; the hash of the answer."""
    job = client.submit(MILLION_OF_SIGNALS)
    next(seen for seen in job.watch(every_s=0.05) if seen.ended or seen.variants_done > 100_000)
    victims = [one for one in tree_of(pid) if VICTIMS[name] in " ".join(_words(one))]
    if not victims:
        sys.exit(f"the job ended before its {name} was killed")
    victims[-1].kill()  # the shell that has started the driver comes before it
    *_, last = job.watch()
    assert last.state == "succeeded", last
    print(f"signals, {name} killed by `kill -9` in the middle: ended at attempt {last.attempt}", flush=True)
    return digest_of(job)


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def show_efficiency(client: Client, rounds: int = 7) -> tuple[Any, str]:
    """The last of some jobs; their times against the kernels' on one core, and on every core at once.

    The three take turns, and each is told by its median: one kernel's time moves by a fifth from minute to minute.
    """
    cores = psutil.cpu_count() or 1
    alone_s, beside_s, job_s = [], [], []
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        list(pool.map(kernel_s, [MILLION] * cores))  # reads the candles, loads the kernels
        for _ in range(rounds):
            alone_s.append(pool.submit(kernel_s, MILLION).result())
            beside_s.append(fmean(pool.map(kernel_s, [MILLION] * cores)))
            job, digest, seconds = run_job(client, MILLION)
            elapsed = job.result().elapsed_s
            job_s.append(elapsed.planes + elapsed.tables + elapsed.stage_b + elapsed.reports)
            print(f"1,000,000 variants, 525,600 bars: {seconds:.1f} s; {elapsed}", flush=True)
    ideal_s = median(alone_s) / cores
    print(
        f"combinations and reports on one core {_shown(alone_s)}; a job from its calibration to its last report "
        f"on {cores} cores {_shown(job_s)}: efficiency {ideal_s / median(job_s):.0%}\n"
        f"limit: one process a core with nothing to share, beside the idle instance, {_shown(beside_s)}: "
        f"{median(alone_s) / median(beside_s):.0%}"
    )
    return job, digest


def _shown(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def kernel_s(request: dict[str, Any]) -> float:
    """The same search in this process on one core, without planes and tables: a job calibrates meanwhile."""
    resolved = resolve(get_request_models().validated_request(request), BacktestSettings())
    elapsed = search_over(load_market().minutes, resolved, BacktestSettings().warmup_bars).elapsed_s
    return elapsed.stage_b + elapsed.reports


def check_against_single_variants(client: Client, job: Any, count: int = 300) -> None:
    """Random variants of the million, each asked for alone: none may contradict the ranking."""
    grid = VariantGrid(resolve(get_request_models().validated_request(MILLION), BacktestSettings()))
    top = {one.variant_index: one.total_return_pct for one in job.top(500).top}
    worst = min(top.values())
    chosen = [*random.Random(17).sample(range(grid.size), count - 50), *random.Random(18).sample(sorted(top), 50)]
    contradicted = 0
    for index in chosen:
        alone = client.backtest(grid.strategy(index)).top[0].total_return_pct
        contradicted += alone != top[index] if index in top else alone > worst
    print(f"{count} of the million recomputed one by one: {contradicted} contradict the ranking")


def show_estimates(client: Client) -> None:
    for name, request in ESTIMATED.items():
        run_job(client, {**request, "top_k": 3, "risk": {}, "preselect": 10})
        found = client.preflight(request)
        _, _, seconds = run_job(client, request)
        told = [_compared("as a job", found.estimated_job_s, seconds)]
        if found.mode == "sync":
            began = time.perf_counter()
            client.backtest(request)
            told.append(_compared("at once", found.estimated_s, time.perf_counter() - began))
        print(f"{name}: {'; '.join(told)}", flush=True)


def _compared(how: str, expected_s: float | None, seconds: float) -> str:
    off = (expected_s or 0.0) / seconds - 1
    return f"{how} {expected_s:.1f} s expected, {seconds:.1f} s taken ({off:+.0%})"


def show_latency(client: Client, rounds: int = 5) -> None:
    """Seconds from the first ranked range to the first best so far; from a cancel to its end."""
    shown_s, cancelled_s = [], []
    for _ in range(rounds):
        job = client.submit({**MILLION, "fee_pct": 0.05})
        next(seen for seen in job.watch(every_s=0.05) if seen.variants_done > 0)
        began = time.perf_counter()
        while not job.top(1).top:
            time.sleep(0.02)
        shown_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        job.cancel()
        *_, last = job.watch(every_s=0.05)
        cancelled_s.append(time.perf_counter() - began)
        assert (last.state, last.partial, bool(job.top(1).top)) == ("cancelled", True, True), last
    print(f"first best after the first range, {rounds} times: at most {max(shown_s):.2f} s")
    print(f"cancelled, what was found kept, {rounds} times: at most {max(cancelled_s):.2f} s")


def show_refusals(client: Client) -> None:
    """Time the refusals of the tests' hostile requests, sent to a job and to its preflight."""
    slowest_ms = 0.0
    for name, changes, field in HOSTILE:
        body = json.dumps({**MILLION, **changes}).encode()
        for path in ("/backtests/jobs", "/backtests/preflight"):
            began = time.perf_counter()
            said = _refusal(client, path, body)
            took_ms = (time.perf_counter() - began) * 1000
            slowest_ms = max(slowest_ms, took_ms)
            print(f"{name} at {path}: {took_ms:.0f} ms, {said[:90]}")
            if field.rpartition(".")[2] not in said:
                sys.exit(f"not refused for {field}: {said}")
    print(f"{len(HOSTILE)} hostile requests refused, the slowest after {slowest_ms:.0f} ms")


def _refusal(client: Client, path: str, body: bytes) -> str:
    """Why; empty where it is not refused."""
    try:
        found = json.loads(client.send("POST", path, content=body))
    except InvalidInput as error:
        return f"{error} {' '.join(problem.field for problem in error.problems)}"
    return ", ".join(f"{one['name']} {one['number']} over {one['limit']}" for one in found["violated_for_job"])


def show_bytes() -> dict[str, str]:
    digests = {}
    for name, cores, variants in (("1 core, tasks of 1,000", 1, 1000), ("2 cores, tasks of 50,000", 2, 50_000)):
        changes = {"CANDLERAY_COMPUTE__NUM_CPUS": str(cores), "CANDLERAY_COMPUTE__TASK_VARIANTS": str(variants)}
        with instance(**changes) as (client, _):
            digests[name] = run_job(client, MILLION)[1]
    return digests


def require_equal(digests: dict[str, str]) -> None:
    for name, digest in digests.items():
        print(f"top 500, {name}: {digest}")
    if len(set(digests.values())) > 1:
        sys.exit("the answers differ")


OTHERS = {"estimates": show_estimates, "latency": show_latency, "refusals": show_refusals}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SECTIONS, action="append")
    wanted = parser.parse_args().only or SECTIONS
    digests: dict[str, str] = {}
    if set(wanted) - {"signals", "bytes"}:
        with instance() as (client, pid):
            if "million" in wanted:
                digests["as it is"] = show_million(client, pid)
            for section, show in OTHERS.items():
                if section in wanted:
                    show(client)
    if "bytes" in wanted:
        digests |= show_bytes()
    require_equal(digests)
    if "signals" in wanted:
        require_equal(show_signals())


if __name__ == "__main__":
    main()
