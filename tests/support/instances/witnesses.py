"""Two who go on during a fault: one writes candles and counts what was acknowledged, another user asks `/me`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import httpx

from tests.support.instances.patient import Patient, acknowledged_of

ROWS_AT_ONCE = 60
BUSY_S = 5.0
"""The most that a busy machine adds to one answer: 3 s were seen at a load of 50 on two cores."""


@dataclass
class Writer:
    """Puts one hour after another, each until it is acknowledged."""

    patient: Patient
    first_minute: int = 0
    next_minute: int = 0

    @property
    def acknowledged(self) -> int:
        """Rows of this round."""
        return self.next_minute - self.first_minute

    def begin_round(self) -> None:
        self.first_minute = self.next_minute

    def lost(self) -> int:
        """The number of acknowledged rows that are not stored.

        Of this round's rows those that are written if put again, for they must have their values too.
        """
        again = self.patient.put(self.first_minute, self.acknowledged).written if self.acknowledged else 0
        stored = sum(each.candles for each in self.patient.coverage())
        return max(again, self.next_minute - stored)

    def step(self) -> None:
        if acknowledged_of(lambda: self.patient.put(self.next_minute, ROWS_AT_ONCE)) == ROWS_AT_ONCE:
            self.next_minute += ROWS_AT_ONCE
        time.sleep(0.1)


@dataclass(frozen=True)
class Answer:
    began: float
    ended: float
    status: int
    """0 where the connection was refused, broken or silent."""
    words: str

    @property
    def took_s(self) -> float:
        return self.ended - self.began


@dataclass
class OtherUser:
    """Asks who it is again and again, each time on a connection of its own."""

    patient: Patient
    token: str
    answers: list[Answer] = field(default_factory=list)

    def step(self) -> None:
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = httpx.get(f"{self.patient.url}/me", headers=headers, trust_env=False, timeout=120)
            status, words = answer.status_code, answer.text
        except httpx.HTTPError as error:
            status, words = 0, type(error).__name__
        self.answers.append(Answer(began, time.monotonic(), status, words))
        time.sleep(0.2)

    def begun(self, after: float, before: float) -> list[Answer]:
        return [each for each in self.answers if after <= each.began < before]


def require_prompt(answers: Sequence[Answer], within_s: float) -> None:
    """Assert that half of the answers came in time, and none later than a busy machine explains."""
    assert answers
    assert median(each.took_s for each in answers) < within_s, in_words(answers)
    assert slowest_s(answers) < within_s + BUSY_S, in_words(answers)


def slowest_s(answers: Iterable[Answer]) -> float:
    return max((each.took_s for each in answers), default=0.0)


def in_words(answers: Iterable[Answer]) -> str:
    """The number of answers of each status, and the slowest of them."""
    by_status: dict[int, list[float]] = {}
    for each in answers:
        by_status.setdefault(each.status, []).append(each.took_s)
    told = [f"{len(took)} of {status or 'none'} within {max(took):.2f} s" for status, took in by_status.items()]
    return ", ".join(told) or "not asked"


@contextmanager
def going_on(*steps: Callable[[], None]) -> Iterator[None]:
    """Take each step again and again on a thread of its own; the step under way at the end is waited for."""
    stopped = threading.Event()

    def live(step: Callable[[], None]) -> None:
        while not stopped.is_set():
            step()

    threads = [threading.Thread(target=live, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
