"""A ClickHouse server as far as a candle store can tell: HTTP in front of the embedded engine.

No current server can be installed in a closed network, so the server path is tested through the real HTTP client
against this. `python clickhouse_front.py PATH` prints its port and serves until it is killed.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame

OF_THE_TRANSPORT = re.compile(
    "query|query_id|database|user|password|role|session_.*|wait_end_of_query|compress|decompress|buffer_size"
    "|client_protocol_version|send_progress_in_http_headers|http_headers_.*|enable_http_compression|param_.*"
)


class Engine:
    """One connection; calls take turns."""

    def __init__(self, path: str) -> None:
        self._connection = chdb.connect(path)
        self._turn = threading.Lock()

    def run(self, sql: str, data: bytes, parameters: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        """The answer's body and summary."""
        bound = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
        settings = {name: v for name, v in parameters.items() if not OF_THE_TRANSPORT.fullmatch(name)}
        with self._turn:
            if database := parameters.get("database"):
                self._connection.query(f"USE `{database}`", "TabSeparated")
            for name, value in settings.items():
                self._connection.query(f"SET {name} = '{value}'", "TabSeparated")
            if data:
                return b"", {"written_rows": str(self._insert(sql, data))}
            result = self._connection.query(sql, "TabSeparated", params=bound)
            return result.bytes() or b"", {"read_rows": str(result.rows_read())}

    def _insert(self, sql: str, data: bytes) -> int:
        insert, fmt = re.match(r"(.*?)\s+FORMAT\s+(\w+)\s*$", sql, re.DOTALL).groups()
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            result = self._connection.query(f"{insert} FROM INFILE '{file.name}' FORMAT {fmt}", "TabSeparated")
            return result.rows_read()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        self._answer(200, b"Ok.\n", {})

    def do_POST(self) -> None:
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._body()
        sql, data = (parameters["query"], body) if "query" in parameters else (body.decode(), b"")
        try:
            answer, summary = self.engine.run(sql, data, parameters)
        except RuntimeError as exc:
            code = re.search(r"Code: (\d+)", str(exc))
            self._answer(500, str(exc).encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1"})
        else:
            self._answer(200, answer, {"X-ClickHouse-Summary": json.dumps(summary)})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            packed = b"".join(iter(self._chunk, b""))
        else:
            packed = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        encoding = self.headers.get("Content-Encoding")
        if encoding == "lz4":
            # A file object reads on over the end of a frame; `decompress` would stop at the first.
            return lz4.frame.open(io.BytesIO(packed)).read()
        return gzip.decompress(packed) if encoding == "gzip" else packed

    def _chunk(self) -> bytes:
        chunk = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return chunk

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Be quiet."""


if __name__ == "__main__":
    Handler.engine = Engine(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
