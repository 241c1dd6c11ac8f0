"""Pace of messages: Telegram takes about 30 a second of a bot, and one a second of a chat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Pace:
    """Turns to send, at most so many a second in all, and one a pause for each chat."""

    def __init__(
        self, most_per_s: float, chat_pause_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._step_s = 1 / most_per_s
        self._chat_pause_s = chat_pause_s
        self._clock = clock
        self._next_s = 0.0
        self._chat_next_s: dict[int, float] = {}

    def reserve(self, chat_id: int) -> float:
        """Take the next turn for a chat; the seconds until it comes."""
        now_s = self._clock()
        self._forget(now_s)
        at_s = max(now_s, self._next_s, self._chat_next_s.get(chat_id, 0.0))
        # Only the turn itself is spent: a chat that must wait longer holds back no other.
        self._next_s = max(now_s, self._next_s) + self._step_s
        self._chat_next_s[chat_id] = at_s + self._chat_pause_s
        return at_s - now_s

    def hold(self, chat_id: int, for_s: float) -> None:
        """Give a chat no turn for so long."""
        until_s = self._clock() + for_s
        self._chat_next_s[chat_id] = max(until_s, self._chat_next_s.get(chat_id, 0.0))

    def wait_s(self, chat_id: int) -> float:
        """The seconds until a chat may have a turn."""
        return max(0.0, self._chat_next_s.get(chat_id, 0.0) - self._clock())

    def is_free(self, chat_id: int) -> bool:
        return self.wait_s(chat_id) == 0.0

    async def turn(self, chat_id: int) -> None:
        """Wait for the next turn of a chat."""
        await asyncio.sleep(self.reserve(chat_id))

    async def turn_of_all(self) -> None:
        """Wait for the next turn of no chat: for what changes nothing there."""
        now_s = self._clock()
        at_s = max(now_s, self._next_s)
        self._next_s = at_s + self._step_s
        await asyncio.sleep(at_s - now_s)

    def _forget(self, now_s: float) -> None:
        if len(self._chat_next_s) > 10_000:
            self._chat_next_s = {chat: at_s for chat, at_s in self._chat_next_s.items() if at_s > now_s}


class Growing:
    """A pause that doubles with each failure in a row, up to a limit."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = min(first_s, longest_s)
        self._longest_s = longest_s
        self._next_s = self._first_s

    def next_s(self) -> float:
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return pause_s

    def reset(self) -> None:
        self._next_s = self._first_s
