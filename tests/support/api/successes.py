"""A request that succeeds for every operation of the API, where guessing by its schema alone never would.

Most are the documented examples with the ids of what the caller owns; the others are made here, by name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pyotp

from candleray.candles import CandleRows
from candleray.identity.telegram import sign_mini_app
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState
from candleray.live.run import RunMode
from candleray.market_data.arrow_stream import ARROW, encode_rows
from candleray.notify.bot_store import BotStates
from candleray.settings import JobSettings
from tests.api.attacks.target import Target
from tests.support.api.accounts import (
    GRID,
    KEY,
    OWNED,
    holdout_id,
    job_id,
    log_in,
    log_in_operator,
    post_code,
    run_id,
    set_up,
)
from tests.support.api.api_document import Operation, places, with_ids
from tests.support.api.in_process_api import BOT_TOKEN, fresh_login, random_walk
from tests.support.live.saved_runs import saved_run, spec_with
from tests.support.searches import search_over

JSON = "application/json"


@dataclass(frozen=True)
class Wanted:
    ids: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    media_type: str = JSON


async def cancelled_job(somebody: Target) -> Wanted:
    made = await job_id(somebody.api)
    await Attempts(somebody.postgres, JobSettings()).move(UUID(made), JobState.CANCELLED, "for a test")
    return Wanted({"job_id": made})


async def succeeded_job(somebody: Target) -> Wanted:
    return Wanted({"job_id": await _succeeded(somebody, await job_id(somebody.api))})


async def judged_job(somebody: Target) -> Wanted:
    """Have a search end that has bars enough for a verdict."""
    whole = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-03T00:00:00Z"}
    grid = {**GRID, "timeframe": "1m", "time_range": whole}
    made = (await somebody.api.post("/backtests/jobs", json=grid)).json()["job_id"]
    return Wanted({"job_id": await _succeeded(somebody, made)})


async def _succeeded(somebody: Target, job: str) -> str:
    made = UUID(job)
    attempts = Attempts(somebody.postgres, JobSettings())
    assert await attempts.move(made, JobState.RUNNING, "for a test")
    request, _ = await attempts.job_to_run(made, 1)
    result = await asyncio.to_thread(search_over, random_walk(3000), request, 200)
    await attempts.finish(made, 1, result)
    return job


async def running_run(somebody: Target) -> Wanted:
    made = await run_id(somebody.api)
    await somebody.api.post(f"/runs/{made}/run")
    return Wanted({"run_id": made})


async def paper_run(somebody: Target) -> Wanted:
    user_id = UUID((await somebody.api.get("/me")).json()["user_id"])
    spec = spec_with(indicators=[{"id": "sma", "params": {"window": 77}}], fee_pct=uuid4().int % 1000 / 10_000)
    run = await saved_run(somebody.postgres, spec, user_id=user_id, mode=RunMode.PAPER)
    return Wanted({"run_id": str(run.run_id)})


async def stopping_run(somebody: Target) -> Wanted:
    made = await run_id(somebody.api)
    await somebody.api.post(f"/runs/{made}/stop")
    return Wanted({"run_id": made})


async def events_there_are(somebody: Target) -> Wanted:
    await run_id(somebody.api)
    return Wanted(query={"after": 0, "for_s": 0})


async def first_code(somebody: Target) -> Wanted:
    """Return the code of a second factor that has begun."""
    await log_in(somebody.api)
    secret = (await post_code(somebody.api, "")).json()["secret"]
    return Wanted(body={"code": pyotp.TOTP(secret).now()})


async def good_code(somebody: Target) -> Wanted:
    await log_in(somebody.api)
    totp, _ = await set_up(somebody.api)
    return Wanted(body={"code": totp.at(int(time.time()) + 30)})


async def nothing_yet(somebody: Target) -> Wanted:
    await log_in(somebody.api)
    return Wanted(body={})


async def exchange_key(somebody: Target) -> Wanted:
    return Wanted(body={**KEY, "label": uuid4().hex})


async def widget_login(_somebody: Target) -> Wanted:
    return Wanted(body=fresh_login(uuid4().int >> 80))


async def mini_app_login(_somebody: Target) -> Wanted:
    return Wanted(body=sign_mini_app(7, BOT_TOKEN, time.time(), query_id=uuid4().hex).model_dump())


async def candles(_somebody: Target) -> Wanted:
    walk = random_walk(100)
    rows = encode_rows(CandleRows.of(walk.ts_open_ms, walk.values))
    return Wanted(query={"market_id": 1, "symbol": "PUTUSDT"}, body=rows, media_type=ARROW)


INSTRUMENT = {"market_id": 1, "symbol": "BTCUSDT"}
ITS_IDS = {"market_id": "1", "symbol": "BTCUSDT"}


async def subscription(somebody: Target) -> Wanted:
    await somebody.api.post("/market-data/subscriptions", json={"market_id": 1, "symbols": ["BTCUSDT"]})
    return Wanted(ITS_IDS)


async def unneeded_subscription(somebody: Target) -> Wanted:
    """Remove one that runs of other examples may read."""
    return Wanted((await subscription(somebody)).ids, query={"force": True})


async def wish(somebody: Target) -> Wanted:
    """Ask for an instrument that is not ingested."""
    await somebody.api.delete("/market-data/subscriptions/1/BTCUSDT", params={"force": True})
    return Wanted(body=INSTRUMENT)


async def waiting_wish(somebody: Target) -> Wanted:
    asked = await somebody.api.post("/market-data/subscription-requests", json=(await wish(somebody)).body)
    return Wanted({"request_id": asked.json()["request_id"]})


async def unwanted_wish(somebody: Target) -> Wanted:
    return Wanted((await waiting_wish(somebody)).ids, body={"reason": "too little volume"})


async def sealed_holdout(somebody: Target) -> Wanted:
    return Wanted({"holdout_id": await holdout_id(somebody.api)}, body={"strategies": []})


async def telegram_bot(somebody: Target) -> Wanted:
    """Have a bot, as its actor tells of it."""
    await BotStates(somebody.postgres).tell("candleray_test_bot", None)
    return Wanted()


MADE: dict[str, Callable[[Target], Awaitable[Wanted]]] = {
    "POST /login/telegram/widget": widget_login,
    "POST /login/telegram/mini-app": mini_app_login,
    "POST /second-factor": nothing_yet,
    "POST /second-factor/confirm": first_code,
    "POST /second-factor/verify": good_code,
    "POST /second-factor/recovery-codes": good_code,
    "POST /second-factor/disable": good_code,
    "POST /exchange-keys": exchange_key,
    "POST /me/telegram/link": telegram_bot,
    "POST /market-data/candles": candles,
    "DELETE /market-data/subscriptions/{market_id}/{symbol}": unneeded_subscription,
    "POST /market-data/subscription-requests": wish,
    "POST /market-data/subscription-requests/{request_id}/accept": waiting_wish,
    "POST /market-data/subscription-requests/{request_id}/refuse": unwanted_wish,
    "POST /holdouts/{holdout_id}/open": sealed_holdout,
    "GET /events": events_there_are,
    "GET /backtests/jobs/{job_id}/events": cancelled_job,
    "GET /backtests/jobs/{job_id}/result": succeeded_job,
    "GET /backtests/jobs/{job_id}/verdict.svg": judged_job,
    "DELETE /backtests/jobs/{job_id}": cancelled_job,
    "POST /runs/{run_id}/halt": paper_run,
    "POST /runs/{run_id}/stop": running_run,
    "POST /runs/{run_id}/run": stopping_run,
}


async def be_somebody(somebody: Target) -> None:
    """New, an operator, and past a fresh code."""
    await log_in_operator(somebody.api)
    await set_up(somebody.api)


SPENT = ("/logout", "/second-factor", "/sessions")
"""A request to these ends what the caller needs for the next one."""


async def wanted(operation: Operation, somebody: Target, anew: bool = True) -> AsyncIterator[Wanted]:
    """Requests that succeed, each made when it is asked for: what was made first may be gone by then.

    Args:
        anew: by somebody new each time, as it is in any case where the caller would not get any further.
    """
    anew = anew or operation.path.startswith(SPENT)
    if make := MADE.get(str(operation)):
        if anew:
            await be_somebody(somebody)
        yield await make(somebody)
        return
    for body in operation.bodies or [None]:
        if anew:
            await be_somebody(somebody)
        named = {str(place[-1]) for place, _ in places(body) if place} | {*operation.ids}
        ids = {name: await OWNED[name](somebody.api) for name in OWNED if name in named}
        ids |= {"indicator_id": "sma"} if "indicator_id" in named else {}
        yield Wanted(ids, operation.required_query, with_ids(body, ids))
