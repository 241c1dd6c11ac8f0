"""Errors of libraries at the edges where they enter: each becomes one of ours, and no secret goes with it."""

from __future__ import annotations

import ast
import asyncio
import csv
import gzip
import json
import lzma
import ssl
import struct
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pyarrow as pa
import pytest
import redis.exceptions
import yaml
from clickhouse_connect.driver.exceptions import DatabaseError, InterfaceError, OperationalError
from urllib3.exceptions import ProtocolError as BrokenBody

from candleray import Client
from candleray.databases.clickhouse import ClickHouse
from candleray.databases.postgres import _translated
from candleray.databases.valkey import Valkey
from candleray.errors import CandlerayError, InstanceError, error_classes, first_line, in_words
from candleray.exchanges.discovery import exchange_of
from candleray.exchanges.rest import RestClient
from candleray.identity.vault import KeyRing
from candleray.indicators import bounds
from candleray.market_data.arrow_stream import decode_bars, decode_rows
from candleray.market_data.files.candle_files import open_candle_file
from candleray.markets import MARKETS, Instrument
from candleray.private_files import read_private
from candleray.sdk import connection
from candleray.settings import HistorySettings, get_settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("kernels", "candleray", "actors", "cluster", "serve_apps")
SECRET = "crt_geheimgeheimgeheim"
TEXT = f"quoting {SECRET}"

Edge = Callable[[Exception, pytest.MonkeyPatch, Path], None]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(connection, "RETRY_DELAYS_S", ())
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def transport(error: Exception) -> httpx.MockTransport:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(refuse)


def api(error: Exception, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    Client("http://api", token=SECRET, transport=transport(error)).health()


def exchange(error: Exception, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    async def ask() -> None:
        market = MARKETS[1]
        venue = exchange_of(market)
        async with RestClient(HistorySettings(max_attempts=1), transport=transport(error)) as rest:
            await rest.get(venue, market, venue.server_time_request(market), lambda content: content)

    asyncio.run(ask())


def postgres(error: Exception, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    async def use() -> None:
        async with _translated("postgresql://host/candles"):
            raise error

    asyncio.run(use())


def clickhouse(error: Exception, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    class Broken:
        def query_arrow(self, *_: Any, **__: Any) -> None:
            raise error

    ClickHouse(Broken(), "http://host:8123/").table("ping")  # type: ignore[arg-type]


def valkey(error: Exception, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    class Broken:
        async def ping(self) -> None:
            raise error

    asyncio.run(Valkey(Broken(), "redis://host:6379/0").ping())  # type: ignore[arg-type]


def private_file(error: Exception, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Path, "open", refuse)
    read_private(folder / "key_encryption_keys")


def settings_file(error: Exception, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("candleray.settings.Settings", refuse)
    get_settings()


HTTP: list[Exception] = [
    httpx.ConnectError("[Errno 111] Connection refused"),
    httpx.ConnectTimeout(""),
    httpx.ReadTimeout("timed out"),
    httpx.WriteError("broken pipe"),
    httpx.PoolTimeout(""),
    httpx.ProxyError("407 Proxy Authentication Required"),
    httpx.UnsupportedProtocol("gopher"),
    httpx.LocalProtocolError(f"Illegal header value b'Bearer {SECRET}'"),
    httpx.RemoteProtocolError(TEXT),
    httpx.DecodingError(TEXT),
    httpx.TooManyRedirects("too many"),
    httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer certificate"),
]
SYSTEM: list[Exception] = [
    OSError(),
    OSError("\n\na reason on the third line"),
    OSError(28, "No space left on device"),
    PermissionError(13, "Permission denied"),
    ConnectionResetError(104, "Connection reset by peer"),
    IsADirectoryError(21, "Is a directory"),
    OSError(24, "Too many open files"),
]
UNREADABLE = UnicodeDecodeError("utf-8", SECRET.encode() + b"\xff", 22, 23, "invalid start byte")
THROWN: dict[Edge, list[Exception]] = {
    api: HTTP,
    exchange: HTTP,
    postgres: [
        *SYSTEM,
        TimeoutError(),
        ssl.SSLError("handshake failure"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.DiskFullError("could not extend file"),
        asyncpg.UniqueViolationError(TEXT),
        asyncpg.DataError(TEXT),
        asyncpg.InvalidPasswordError(TEXT),
        asyncpg.InterfaceError("pool is closing"),
        asyncpg.InterfaceError(TEXT),
        asyncpg.InternalClientError(TEXT),
        asyncpg.ProtocolError(TEXT),
    ],
    clickhouse: [
        *SYSTEM,
        OperationalError("no answer"),
        DatabaseError("Code: 241. MEMORY_LIMIT_EXCEEDED\nStack trace"),
        InterfaceError("closed"),
        pa.ArrowInvalid("Expected to read 538970747 metadata bytes"),
        pa.ArrowInvalid(""),
        BrokenBody("Connection broken"),
        EOFError("Compressed file ended"),
    ],
    valkey: [
        *SYSTEM,
        TimeoutError(),
        redis.exceptions.ConnectionError("Error 111"),
        redis.exceptions.BusyLoadingError("loading"),
        redis.exceptions.ReadOnlyError("read only"),
        redis.exceptions.InvalidResponse("Protocol error"),
        redis.exceptions.ResponseError(""),
    ],
    private_file: [*SYSTEM, UNREADABLE],
    settings_file: [*SYSTEM, UNREADABLE, yaml.YAMLError("mapping values are not allowed here")],
}
CASES = [(edge, error) for edge, errors in THROWN.items() for error in errors]


OURS = {cls.__name__ for cls in error_classes().values()} | {"MalformedAnswer", "ValidationError", "BaseException"}


def quoted_whole(path: Path) -> Iterator[str]:
    """Yield where a handler of a library's errors puts the whole text of one, which may be empty, into words."""
    for handler in ast.walk(ast.parse(path.read_text())):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
            continue
        if {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} <= OURS:
            continue
        for node in ast.walk(handler):
            if isinstance(node, ast.FormattedValue) and ast.unparse(node.value) == handler.name:
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_reason_that_is_told_has_words():
    """A library's error may say nothing, or begin with an empty line: `first_line` and `in_words` do not."""
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert sorted(where for path in sources for where in quoted_whole(path)) == []


@pytest.mark.parametrize(
    ("error", "line", "reason"),
    [
        (RuntimeError(""), "RuntimeError", "RuntimeError"),
        (TimeoutError(), "TimeoutError", "TimeoutError"),
        (RuntimeError("\n \n twice \n over"), "twice", "RuntimeError: twice"),
        (OSError(28, "No space left"), "[Errno 28] No space left", "[Errno 28] No space left"),
        (InstanceError("a port is taken"), "a port is taken", "a port is taken"),
        (InstanceError(""), "InstanceError", "InstanceError"),
    ],
)
def test_an_error_that_says_nothing_is_told_by_its_kind(error, line, reason):
    assert (first_line(error), in_words(error)) == (line, reason)


def said_by(error: BaseException) -> str:
    """Everything that a log or a terminal could show of an error, its causes among them."""
    return "".join(traceback.format_exception(error, limit=0))


@pytest.mark.parametrize(
    ("edge", "error"),
    CASES,
    ids=[f"{edge.__name__}-{number}-{type(error).__name__}" for number, (edge, error) in enumerate(CASES)],
)
def test_an_error_of_a_library_is_ours_at_its_edge_and_quotes_no_secret(edge, error, monkeypatch, tmp_path):
    with pytest.raises(CandlerayError) as caught:
        edge(error, monkeypatch, tmp_path)
    assert caught.value.message
    assert "\n" not in caught.value.message
    assert SECRET not in caught.value.message
    kept = isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError) and not isinstance(
        error, asyncpg.DataError
    )
    if not kept:  # these go to the instance's own log as the cause
        assert SECRET not in said_by(caught.value)


NOT_ARROW = [
    b"",
    b"\x00" * 8,
    b"\xff\xff\xff\xff",
    json.dumps({"error": 1}).encode(),
    b"<html>",
    struct.pack("<I", 2**31),
]


@pytest.mark.parametrize("content", NOT_ARROW)
@pytest.mark.parametrize("read", [decode_bars, lambda content: decode_rows(content, 1)])
def test_what_is_no_arrow_stream_is_ours_too(content, read):
    with pytest.raises(CandlerayError, match="Arrow IPC stream"):
        read(content)


def test_ranges_that_are_no_yaml_are_named_by_their_file(monkeypatch, tmp_path):
    file = tmp_path / "dev" / "indicators.yaml"
    file.parent.mkdir()
    monkeypatch.setattr(bounds, "CONFIGS", tmp_path)
    for content in (b"a: b: c", b"\xff\xfe\xff", b"\x00"):
        file.write_bytes(content)
        with pytest.raises(CandlerayError, match=r"indicators\.yaml"):
            bounds.read_ranges("dev")


@pytest.mark.parametrize("text", ["", "1:geheim", "1:Z2VoZWlt,1:Z2VoZWlt", "币:币", "1:\x00", f"1:{SECRET}"])
def test_a_key_that_is_none_is_not_quoted(text):
    with pytest.raises(CandlerayError) as caught:
        KeyRing.parse(text)
    assert all(part not in caught.value.message for part in ("geheim", "Z2Vo", SECRET))


def packed_files(folder: Path) -> Iterator[Path]:
    """Yield files that libraries refuse, each in a way of its own."""
    content = b"timestamp,open,high,low,close,volume\n" * 50
    for name, damaged in {
        "cut.gz": gzip.compress(content)[:-9],
        "crc.gz": gzip.compress(content)[:-8] + b"\x00" * 8,
        "noise.gz": b"\x1f\x8b\x08" + bytes(range(200)),
        "cut.zip": b"PK\x03\x04" + b"\x00" * 30,
        "noise.parquet": b"PAR1" + bytes(100),
        "nul.csv": b"timestamp,open\x00,high\n1,2,3\n",
        "utf16.csv": content.decode().encode("utf-16"),
        "field.csv": b'timestamp,open,high,low,close,volume\n"' + b"x" * 200_000,
        "latin.csv": b"\xe9\xe8,open\n",
    }.items():
        (folder / name).write_bytes(damaged)
        yield folder / name
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED):
        path = folder / f"{method}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("candles.csv", content)
        whole = bytearray(path.read_bytes())
        whole[60:80] = b"\xff" * 20
        path.write_bytes(bytes(whole))
        yield path


def test_a_file_that_a_library_refuses_is_refused_by_us(tmp_path):
    foreign = {}
    for path in packed_files(tmp_path):
        try:
            with open_candle_file(path, Instrument(market_id=1, symbol="BTCUSDT")) as file:
                for _ in file.batches():
                    pass
        except CandlerayError as error:
            if path.name not in error.message:
                foreign[path.name] = f"does not name it: {error.message}"
        except (
            csv.Error,
            zlib.error,
            lzma.LZMAError,
            pa.ArrowException,
            OSError,
            ValueError,
            RuntimeError,
        ) as error:
            foreign[path.name] = f"{type(error).__name__}: {error}"
        else:
            foreign[path.name] = "read"
    assert foreign == {}
