"""Strict type checking sees every public method of the SDK: wrong uses are refused, right ones pass."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from mypy import api as mypy

from candleray import Client
from candleray.sdk.jobs import SubmittedJob

RIGHT = """\
from datetime import datetime
from uuid import UUID

from candleray import Client, Job, Strategy, TokenRequest
from candleray.sdk.signals import Condition, adx, atr, ema, hour, macd, price, signals, steps, values


def use(client: Client, job_id: UUID) -> Strategy:
    client.candles("binance-spot", "BTCUSDT", timeframe="1h", start=datetime(2025, 1, 1), limit=10)
    symbols: list[str] = [instrument.symbol for instrument in client.instruments(q="BTC")]
    best = client.backtest({"indicators": [{"id": "sma"}], "symbols": symbols}).top[0]
    token: str = client.create_token(TokenRequest(name="notebook")).token
    progress: list[Job] = list(client.submit({}, key=token).watch(every_s=1.5))
    client.job(job_id).cancel()
    client.jobs(state=[job.state for job in progress], limit=5)
    fast, slow = ema(10, 50, 5).named("fast"), ema(window=values(100, 200), source="hlc3")
    quiet: Condition = (adx(14) < 20) & (8 <= hour()) & (hour() != 12) & ~(2 * atr() > abs(price() - slow))
    trend = macd(12, slow=steps(20, 30, 2), output="signal", timeframe="1d").shift(1).rising(3)
    parts = signals(
        long_entry=(fast > slow).crosses() & quiet | trend.held_for(2),
        where=[fast.parameter("window") < slow.parameter("window")],
    )
    client.backtest({"timeframe": "1h", **parts})
    return client.save_strategy(best)
"""

WRONG = """\
from candleray import Client
from candleray.sdk.jobs import JobMethods, SubmittedJob
from candleray.sdk.runs import RunMethods
from candleray.sdk.signals import ema, macd, price, rsi, signals


def misuse(client: Client) -> None:
    client.backtest(["sma"])  # E: arg-type
    client.backtest({}).top[0].rank.upper()  # E: attr-defined
    client.compute(20)  # E: arg-type
    client.indicator(20)  # E: arg-type
    client.candles("binance-spot", "BTCUSDT", timeframe="7m")  # E: arg-type
    client.candles("binance-spot", "BTCUSDT", since="2025-01-01")  # E: call-arg
    client.put_candles("binance-spot", "BTCUSDT", [1.0])  # E: arg-type
    client.put_instruments("BTCUSDT")  # E: arg-type
    client.instruments(limit="10")  # E: arg-type
    client.missing("binance-spot", "BTCUSDT", 1735689600000, 1735776000000)  # E: arg-type
    client.submit({}, key=7)  # E: arg-type
    client.job(7).cancel()  # E: arg-type
    client.jobs(limit="all")  # E: arg-type
    client.save_strategy(7)  # E: arg-type
    client.clone_strategy("0b4bd4f2", None)  # E: arg-type
    client.strategies(limit=2.5)  # E: arg-type
    client.start_run(None)  # E: arg-type
    client.runs(state=1)  # E: arg-type
    client.log_in("a login")  # E: arg-type
    client.create_token("notebook")  # E: arg-type
    client.confirm_second_factor(123456)  # E: arg-type
    client.add_exchange_key("binance", "main", b"key", "secret")  # E: arg-type
    client.send("GET", "/health", params="q")  # E: arg-type
    client.ready()["clickhouse"].seconds  # E: attr-defined
    SubmittedJob("http://127.0.0.1:8000", "0198a3f2")  # E: arg-type
    RunMethods.start_run("no client", "0b4bd4f2")  # E: arg-type
    rsi() > "close"  # E: operator
    rsi([5, 10])  # E: arg-type
    rsi(windw=5)  # E: call-arg
    macd(12, 26, 9, output="line")  # E: arg-type
    price("closing")  # E: arg-type
    rsi(timeframe="7m")  # E: arg-type
    (rsi() > 1) & 2  # E: operator
    (rsi() > 1).shift(2)  # E: attr-defined
    rsi().held_for(2)  # E: attr-defined
    (rsi() >= 1).crosses()  # E: attr-defined
    signals(long_entry=ema(20))  # E: arg-type


class Extended(JobMethods):
    def newest(self) -> str:
        return self.send("GET", "/backtests/jobs", params={"limit": 1})  # E: return-value

    def purge(self) -> bytes:
        return self.send("DELETE", "/backtests/jobs", content="all")  # E: arg-type
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, list[str]]]:
    """The codes that mypy prints, by file and line."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG)
    root = Path(__file__).parents[2]
    configuration = [
        "--config-file",
        str(root / "pyproject.toml"),
        "--cache-dir",
        str(root / ".mypy_cache" / "sdk"),
    ]
    files = [str(folder / "right.py"), str(folder / "wrong.py")]
    printed, trouble, _ = mypy.run(
        ["--strict", "--no-error-summary", "--hide-error-context", *configuration, *files]
    )
    assert trouble == ""
    codes: dict[str, dict[int, list[str]]] = {"right.py": {}, "wrong.py": {}}
    for file, line, code in re.findall(r"(\w+\.py):(\d+): error: .*\[([a-z-]+)\]$", printed, re.MULTILINE):
        codes[file].setdefault(int(line), []).append(code)
    return codes


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_right_uses_of_the_sdk_pass(errors):
    assert errors["right.py"] == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_wrong_use_of_the_sdk_is_refused_where_it_stands(errors):
    expected = {
        number: line.partition("# E: ")[2] for number, line in enumerate(WRONG.splitlines(), 1) if "# E: " in line
    }
    assert {line: sorted(set(codes)) for line, codes in errors["wrong.py"].items()} == {
        line: [code] for line, code in expected.items()
    }


def test_no_public_method_of_the_sdk_takes_or_returns_something_untyped():
    untyped = [
        f"{cls.__name__}.{name}"
        for cls in (Client, SubmittedJob)
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_") and not _is_typed(method)
    ]
    assert untyped == []


def _is_typed(method: Any) -> bool:
    named = {name for name in inspect.signature(method).parameters if name != "self"}
    annotations = method.__annotations__
    return named | {"return"} == set(annotations) and "Any" not in annotations.values()
