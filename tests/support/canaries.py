"""Every secret of a test run, and all that came out of it: no secret may stand in anything that came out.

What makes or takes a secret is watched, so that each one is known. What comes out is kept: the log at DEBUG,
failures, metrics, events and every other answer but those that hand a secret out, and at the end a dump of every
database and the files of every instance. `conftest.py` searches it all when the last test is done.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.identity import local_secrets, second_factor_store, token_store
from candleray.identity.vault import KeyRing, Secret
from candleray.logs import configure_logs
from candleray.notify import chat_store
from candleray.settings import ROOT
from tests.support.secret_search import SecretSearch

LIBRARIES = ("asyncio", "fastapi", "httpcore", "httpx", "multipart", "redis", "uvicorn", "websockets")
"""Loggers of libraries, heard from DEBUG on, further than the product ever listens to them."""

PUBLIC = {"an-api-key-as-the-exchange-shows-it", "its-secret-as-the-exchange-shows-it"}
"""The documentation shows these."""

SECRET_FILES = ("bot_token", "key_encryption_keys", "ray_token")
"""Files of an instance's data folder; only its owner may read them."""

MAX_ANSWER = 200_000
_FOLDER = Path(tempfile.mkdtemp(prefix="candleray-canaries-"))
_LOG = (_FOLDER / "log").open("a", encoding="utf-8", errors="backslashreplace")
_ANSWERS = (_FOLDER / "answers").open("a", encoding="utf-8", errors="backslashreplace")

_secrets: dict[str, str] = {}
_leaks: list[str] = []
_searched = 0


def plant(kind: str, secret: str) -> None:
    """Remember a secret; what could stand anywhere by chance is none."""
    if len(secret) >= 12 and len(set(secret)) >= 6 and secret not in PUBLIC:
        _secrets.setdefault(secret, kind)


def plant_code(code: str) -> None:
    """Six digits may stand in any number: a code is looked for as a text of its own."""
    _secrets[f'"{code}"'] = _secrets[f"'{code}'"] = "code"


def is_length(secret: str, content: bytes) -> bool:
    """Tell the length of an answer in the log of a client from a code of the same six digits."""
    return content.removesuffix(secret.encode()).endswith(b"content-length', b")


def watch_logs() -> None:
    """Everything logged from DEBUG on goes to a file of this run."""
    configure_logs("DEBUG", _LOG)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG)


def watched(app: ASGIApp) -> ASGIApp:
    """The same application; what it answers is kept, but for what hands a secret out: a POST that succeeds."""

    async def watch(scope: Scope, receive: Receive, send: Send) -> None:
        kept = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")

        async def keep(message: Message) -> None:
            nonlocal kept
            if message["type"] == "http.response.start":
                kept = kept or message["status"] >= 400
                if kept:
                    _ANSWERS.write(f"\n{scope['method']} {message['status']} {message['headers']}\n")
            elif kept and message["type"] == "http.response.body":
                _ANSWERS.write(message.get("body", b"")[:MAX_ANSWER].decode("utf-8", "backslashreplace"))
            await send(message)

        await app(scope, receive, keep)

    return watch


@contextmanager
def watching() -> Iterator[None]:
    """Every secret that this process makes or is given is planted; processes that it starts log at DEBUG."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANDLERAY_LOG_LEVEL", "DEBUG")
        patch.setattr(token_store, "new_token", _noting(token_store.new_token, "token"))
        patch.setattr(local_secrets, "new_bot_token", _noting(local_secrets.new_bot_token, "bot token"))
        patch.setattr(chat_store, "new_link_token", _noting(chat_store.new_link_token, "Telegram link"))
        patch.setattr(
            second_factor_store, "new_recovery_codes", _noting_codes(second_factor_store.new_recovery_codes)
        )
        patch.setattr(second_factor_store, "matching_step", _noting_match(second_factor_store.matching_step))
        patch.setattr(Secret, "__init__", _noting_text(Secret.__init__))
        patch.setattr(KeyRing, "parse", _noting_keys(KeyRing.parse))
        if routes := sys.modules.get("serve_apps.routes.login"):
            patch.setattr(routes, "csrf_token", _noting(routes.csrf_token, "CSRF token"))
            patch.setattr(routes, "login_fingerprint", _noting_login(routes.login_fingerprint))
        yield


def _noting(make: Callable[..., str], kind: str) -> Callable[..., str]:
    def made(*arguments: Any) -> str:
        secret = make(*arguments)
        plant(kind, secret)
        return secret

    return made


def _noting_codes(make: Callable[[], tuple[str, ...]]) -> Callable[[], tuple[str, ...]]:
    def made() -> tuple[str, ...]:
        codes = make()
        for code in codes:
            plant("recovery code", code)
            plant("recovery code", code.replace("-", ""))
        return codes

    return made


def _noting_match(match: Callable[..., int | None]) -> Callable[..., int | None]:
    def matched(secret: Secret, code: str, now_s: float) -> int | None:
        step = match(secret, code, now_s)
        if step is not None:
            plant_code(code)
        return step

    return matched


def _noting_text(init: Callable[[Secret, str], None]) -> Callable[[Secret, str], None]:
    def initialise(secret: Secret, text: str) -> None:
        plant("secret", text)
        init(secret, text)

    return initialise


def _noting_keys(parse: Callable[[str], KeyRing]) -> Callable[[str], KeyRing]:
    def parsed(text: str) -> KeyRing:
        ring = parse(text)
        for entry in text.split(","):
            plant("key-encryption key", entry.partition(":")[2].strip())
        return ring

    return parsed


def _noting_login(fingerprint: Callable[[Any], str]) -> Callable[[Any], str]:
    def noted(login: Any) -> str:
        plant("login", getattr(login, "hash", None) or login.init_data)
        return fingerprint(login)

    return noted


# What came out ---------------------------------------------------------------------------------------------------


def search_instance(folder: Path) -> None:
    """Look now through the files of an instance that has stopped: its database's, its logs; before they go."""
    for name in SECRET_FILES:
        for file in folder.rglob(name):
            plant(name, file.read_text().strip())
            plant(name, file.read_text().partition(":")[2].strip())
    plant_tokens()
    search = SecretSearch(_secrets)
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.name not in SECRET_FILES:
            _search(search, str(file), file.read_bytes())


def plant_tokens() -> None:
    """Secrets that `candleray login` keeps."""
    for file in Path(os.environ["XDG_CONFIG_HOME"]).rglob("tokens/*"):
        plant("token", file.read_text().strip())


async def dump(postgres_url: str | None, valkey_url: str | None) -> None:
    """Keep all that is in the databases of this process, as text."""
    with (_FOLDER / "database").open("w", encoding="utf-8", errors="backslashreplace") as file:
        if postgres_url:
            await dump_postgres(postgres_url, file.write)
        if valkey_url:
            await _dump_valkey(valkey_url, file.write)


async def dump_postgres(url: str, write: Callable[[str], Any]) -> None:
    """Every row of every table."""
    postgres = await Postgres.open(url)
    async with postgres.connection() as connection:
        for (table,) in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            write(f"\ntable {table}\n")
            async with connection.transaction():
                async for row in connection.cursor(f'SELECT t::text FROM "{table}" t'):
                    write(f"{row[0]}\n")
    await postgres.close()


async def _dump_valkey(url: str, write: Callable[[str], Any]) -> None:
    valkey = await Valkey.open(url)
    async with valkey.answering() as client:
        async for key in client.scan_iter(count=1000):
            value = await client.get(key) if await client.type(key) == b"string" else b"(no text)"
            write(f"valkey {key!r} {value!r}\n")
    await valkey.close()


def found_leaks() -> tuple[list[str], str]:
    """Return the finds, and a line about how much was looked through."""
    plant_tokens()
    search = SecretSearch(_secrets)
    for file in (_LOG, _ANSWERS):
        file.flush()
    for path in sorted(_FOLDER.iterdir()):
        _search(search, path.name, path.read_bytes())
    kinds = sorted(set(_secrets.values()))
    told = (
        f"{len(_secrets)} secrets ({', '.join(kinds)}) searched in {_searched / 1e6:.1f} MB: {len(_leaks)} found"
    )
    return _leaks, told


def forget() -> None:
    """The files go now; what is still logged goes with them."""
    shutil.rmtree(_FOLDER, ignore_errors=True)


@atexit.register
def _close() -> None:
    """Search also where no test ran; a process of pytest-xdist ends without coming here."""
    for file in (_LOG, _ANSWERS):
        file.close()
    forget()


@cache
def _our_code() -> str:
    folders = ("actors", "candleray", "cluster", "kernels", "serve_apps")
    return "\n".join(file.read_text() for folder in folders for file in sorted((ROOT / folder).rglob("*.py")))


def _search(search: SecretSearch, where: str, content: bytes) -> None:
    global _searched
    _searched += len(content)
    for secret, end in search.found(content):
        if secret in _our_code() or is_length(secret, content[:end]):
            continue  # Hypothesis draws its texts from the code under test too: a metric's help came as a secret
        around = content[max(0, end - 300) : end + 60].decode("utf-8", "replace")
        for hidden in (secret, json.dumps(secret)[1:-1]):
            around = around.replace(hidden, "<here>")
        _leaks.append(f"a {_secrets[secret]} in {where}: {re.sub(r'[^ -~]+', ' ', around)}")
