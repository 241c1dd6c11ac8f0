"""Another user than the one who attacks: asks who he is again and again, and is answered."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Asked:
    """Seconds that the answers took, and the answers that were none."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.refused: list[str] = []

    def __str__(self) -> str:
        ordered = sorted(self.seconds) or [0.0]
        return f"{len(self.seconds)} times, median {ordered[len(ordered) // 2]:.3f} s, longest {ordered[-1]:.3f} s"


@contextmanager
def other_user_asking(port: int, token: str, what: str, every_s: float = 0.2) -> Iterator[Asked]:
    """Ask `/me` by a new connection each time until the block ends; print how long that took."""
    asked, over = Asked(), threading.Event()

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            try:
                status, body = answered(port, "GET", "/me", token)
                if status != http.client.OK:
                    asked.refused.append(f"{status} {body[:200]!r}")
            except (OSError, http.client.HTTPException) as error:
                asked.refused.append(repr(error))
            asked.seconds.append(time.monotonic() - began)
            over.wait(every_s)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield asked
    finally:
        over.set()
        asking.join()
        print(f"another user's /me during {what}: {asked}")


def answered(port: int, method: str, path: str, token: str, body: str | None = None) -> tuple[int, bytes]:
    """Status and body of an answer on a connection of its own, by a client that costs nearly nothing itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
