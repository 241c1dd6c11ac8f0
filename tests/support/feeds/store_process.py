"""The candle store in a process of its own, which may be killed, behind a unix socket.

`python -m tests.support.feeds.store_process FOLDER SOCKET` serves one call at a time, as its actor does, and tells
on its standard output how far an insert is: `begins`, `stored` before its answer, `answered` after it.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import socketserver
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from candleray.errors import CandlerayError, ServiceUnavailable
from candleray.market_data.candle_store import CandleStore

_LENGTH = struct.Struct("!Q")
RAW = (
    "SELECT toUnixTimestamp64Milli(ts_open), open, high, low, close, volume, toUnixTimestamp64Milli(ingested_at), "
    "ifNull(quote_volume, nan), ifNull(toFloat64(trades), nan) "
    "FROM raw_{exchange}_klines_1m WHERE market_id = {market_id} AND symbol = '{symbol}' AND ts_open "
    "BETWEEN fromUnixTimestamp64Milli({first_ms}) AND fromUnixTimestamp64Milli({last_ms}) "
    "ORDER BY ts_open, ingested_at"
)

RawRow = tuple[int, float, float, float, float, float, int, float, float]
"""Stamp, the five values, when the store took them, quote volume and trades, NaN where unknown."""


class StoreServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: str, path: str) -> None:
        self.store = CandleStore.open(f"chdb://{folder}")
        self.store.migrate()
        self.store.repair()
        self.one_at_a_time = threading.Lock()
        Path(path).unlink(missing_ok=True)
        super().__init__(path, _Call)

    def answer(self, method: str, arguments: tuple[Any, ...]) -> Any:
        with self.one_at_a_time:
            if method == "raw":
                return self._raw(*arguments)
            if method == "insert_many":
                _tell("begins")
            answer = getattr(self.store, method)(*arguments)
            if method == "insert_many":
                _tell("stored")
            return answer

    def _raw(self, exchange: str, market_id: int, symbol: str, first_ms: int, last_ms: int) -> list[RawRow]:
        asked = RAW.format(
            exchange=exchange, market_id=market_id, symbol=symbol, first_ms=first_ms, last_ms=last_ms
        )
        return [tuple(row) for row in self.store._session._client.query(asked).result_rows]


class _Call(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with suppress(OSError, EOFError, struct.error):  # whoever asked was killed
            (length,) = _LENGTH.unpack(self.rfile.read(_LENGTH.size))
            method, arguments = pickle.loads(self.rfile.read(length))
            assert isinstance(self.server, StoreServer)
            try:
                answer = True, self.server.answer(method, arguments)
            except CandlerayError as error:
                answer = False, error
            self.wfile.write(pickle.dumps(answer))
            if method == "insert_many":
                _tell("answered")


class StoreAt:
    """A `StoreCall` of that process; while it is away each call raises `ServiceUnavailable`."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def __call__(self, method: str, *arguments: Any) -> Any:
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
            try:
                writer.write(_question(method, arguments))
                return _answer(await reader.read())
            finally:
                writer.close()
        except OSError as error:
            raise ServiceUnavailable(f"the candle store does not answer: {error}") from error


def ask_store(path: str, method: str, *arguments: Any) -> Any:
    """The same, waiting for the answer."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(_question(method, arguments))
            with client.makefile("rb") as told:
                return _answer(told.read())
    except OSError as error:
        raise ServiceUnavailable(f"the candle store does not answer: {error}") from error


def _question(method: str, arguments: tuple[Any, ...]) -> bytes:
    body = pickle.dumps((method, arguments))
    return _LENGTH.pack(len(body)) + body


def _answer(told: bytes) -> Any:
    if not told:
        raise ServiceUnavailable("the candle store has ended")
    try:
        is_answer, answer = pickle.loads(told)
    except (EOFError, pickle.UnpicklingError) as error:
        raise ServiceUnavailable("the candle store has ended in the middle of its answer") from error
    if not is_answer:
        raise answer
    return answer


def _tell(event: str) -> None:
    print(event, flush=True)


if __name__ == "__main__":
    with StoreServer(*sys.argv[1:]) as server:
        _tell("ready")
        server.serve_forever()
