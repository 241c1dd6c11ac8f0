"""Limits of attempts, counted in Valkey, and marks that are good for once."""

from __future__ import annotations

import hashlib

from candleray.databases.valkey import Valkey
from candleray.errors import TooManyRequests

# One step on the server: a count whose window were set later could live for ever.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""


class AttemptLimits:
    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def require(self, what: str, who: str, most: int, window_s: int) -> None:
        """Count one attempt at `what` by `who`, of at most `most` in a window that begins with the first.

        Raises:
            TooManyRequests: with the seconds to the window's end.
        """
        async with self._valkey.answering() as client:
            count, left_ms = await client.eval(_COUNT, 1, _key(what, who), str(window_s * 1000))
        if count > most:
            wait_s = max(1, -(-int(left_ms) // 1000))
            raise TooManyRequests("too many attempts: wait as long as Retry-After says", retry_after_s=wait_s)

    async def once(self, what: str, mark: str, seconds: int) -> bool:
        """Return True where that mark is seen for the first time within so many seconds."""
        async with self._valkey.answering() as client:
            return bool(await client.set(_key(what, mark), "1", nx=True, ex=seconds))


def _key(what: str, who: str) -> str:
    # Hashed: whatever callers send becomes a key of one length.
    return f"candleray:{what}:{hashlib.sha256(who.encode()).hexdigest()[:32]}"
