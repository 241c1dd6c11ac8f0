"""A headless Chromium, spoken to by its own protocol: no driver between, so that it is there in half a second."""

from __future__ import annotations

import itertools
import json
import queue
import re
import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.waiting import PATIENCE_S

NAMES = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = "no Chromium: apt-get install chromium"
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "--force-device-scale-factor=1"),
)
_LISTENS = re.compile(r"DevTools listening on (ws://\S+)")


def chromium() -> str | None:
    """The browser's path, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """A connection to the browser: commands wait for their answers, events are kept by session."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self.events: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        threading.Thread(target=self._receive, daemon=True).start()

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = queue.Queue()
        command = {"id": number, "method": method, "params": parameters}
        self._connection.send(json.dumps(command | ({"sessionId": session} if session else {})))
        told = answer.get(timeout=PATIENCE_S)
        del self._answers[number]
        assert "error" not in told, f"{method}: {told['error']}"
        result: dict[str, Any] = told["result"]
        return result

    def _receive(self) -> None:
        for text in self._connection:
            told = json.loads(text)
            if "id" in told:
                self._answers[told["id"]].put(told)
            else:
                self.events[told.get("sessionId", "")].append(told)


@contextmanager
def running_chromium(folder: Path) -> Iterator[Chromium]:
    """A browser with this folder as its profile, until the block ends."""
    path = chromium()
    assert path, NO_BROWSER
    command = [path, *FLAGS, f"--user-data-dir={folder}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    try:
        address = next(found[1] for line in process.stderr if (found := _LISTENS.search(line)))
        # What it says from now on has no reader, and must not fill the pipe.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with connect(address, max_size=None, ping_interval=None, proxy=None) as connection:
            yield Chromium(connection)
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        process.stderr.close()
