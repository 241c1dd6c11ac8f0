"""The course of a duty: done, noted, and done again later, or sooner where it failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from candleray.duties.duty import Duty
from candleray.duties.outcomes import Attempt, DutyOutcomes
from candleray.errors import CandlerayError, in_words
from candleray.logs import get_logger

log = get_logger("duties")

FIRST_RETRY_S, LONGEST_RETRY_S = 30.0, 600.0
LOOK_S = 60.0
JUST_NOW_S = 60.0
"""A process that is started again and again does not ask an exchange more often."""


async def follow(
    duty: Duty,
    outcomes: DutyOutcomes,
    tell: Callable[[str, bool, float], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Do the duty for ever; whatever it raises, it goes on.

    Args:
        tell: told the duty's name, whether it was done and how many seconds that took, each time.
    """
    if await _is_just_done(duty, outcomes):
        await sleep(min(JUST_NOW_S, duty.every_s))
    failures = 0
    while True:
        began = time.monotonic()
        said, failure = await _attempt(duty)
        took_s = time.monotonic() - began
        failures = failures + 1 if failure else 0
        retry_s = min(FIRST_RETRY_S * 2 ** min(failures - 1, 10), LONGEST_RETRY_S, duty.every_s)
        attempt = Attempt(took_s, duty.every_s, retry_s if failures else duty.every_s)
        with suppress(CandlerayError):
            await (outcomes.failed if failures else outcomes.done)(duty.name, failure or said, attempt)
        tell(duty.name, not failure, took_s)
        if failures:
            await sleep(retry_s)
        else:
            await _until_due(duty, sleep)


async def _until_due(duty: Duty, sleep: Callable[[float], Awaitable[None]]) -> None:
    left_s = duty.every_s
    while left_s > 0:
        part_s = left_s if duty.is_due_early is None else min(LOOK_S, left_s)
        await sleep(part_s)
        left_s -= part_s
        if duty.is_due_early is not None:
            with suppress(CandlerayError):  # then it is done in its time
                if await duty.is_due_early(part_s):
                    return


async def _attempt(duty: Duty) -> tuple[str, str]:
    """Do it once; return what was done, and why it was not, one of them empty."""
    try:
        async with asyncio.timeout(duty.timeout_s):
            said = await duty.run()
    except TimeoutError:
        failure = f"not done within {duty.timeout_s:g} s"
    except CandlerayError as error:
        failure = error.message
    except Exception as error:
        log.exception("duty_broken", duty=duty.name)
        failure = in_words(error)
    else:
        log.info("duty_done", duty=duty.name, said=said)
        return said, ""
    log.warning("duty_failed", duty=duty.name, reason=failure)
    return "", failure


async def _is_just_done(duty: Duty, outcomes: DutyOutcomes) -> bool:
    try:
        return await outcomes.done_within(duty.name, JUST_NOW_S)
    except CandlerayError:
        return False
