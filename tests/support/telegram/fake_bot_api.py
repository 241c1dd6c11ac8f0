"""A Bot API of this process: what a bot sees of Telegram, with faults on demand and a log of what was delivered.

https://core.telegram.org/bots/api. Methods: getMe, deleteWebhook, getUpdates, sendMessage, editMessageText.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.support.telegram.faults import Fault, Faults
from tests.support.telegram.message_text import CannotParse, length_of, shown

MOST_CHARACTERS = 4096


class Refused(Exception):
    """An answer that is not ok."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


class Cut(Exception):
    """The connection ends without an answer."""


@dataclass
class Delivered:
    """A message that the chat shows."""

    message_id: int
    chat_id: int
    text: str
    at_s: float
    """The moment, by the monotonic clock."""


@dataclass
class FakeBotApi:
    token: str
    username: str = "candleray_test_bot"
    faults: Faults = field(default_factory=Faults)
    has_webhook: bool = False
    delivered: list[Delivered] = field(default_factory=list)
    blocked: set[int] = field(default_factory=set)
    """Chats whose owners have blocked the bot."""
    asked: list[str] = field(default_factory=list)
    """Methods in the order of the requests, those of foreign tokens too."""
    overwritten: int = 0
    """Messages whose text an edit has changed."""
    port: int = 0
    _chats: set[int] = field(default_factory=set)
    _updates: deque[dict[str, Any]] = field(default_factory=deque)
    _last_update: int = 1000
    _last_message: int = 0
    _poller: asyncio.Future[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bot_id(self) -> int:
        return int(self.token.partition(":")[0])

    # A person's side ---------------------------------------------------------------------------------------------

    def say(self, text: str, user_id: int, chat_id: int | None = None, chat_type: str = "private") -> int:
        """Write to the bot, in one's private chat unless another is given; the number of the update."""
        chat = user_id if chat_id is None else chat_id
        self._chats.add(chat)
        self._last_message += 1
        message = {
            "message_id": self._last_message,
            "date": int(time.time()),
            "chat": {"id": chat, "type": chat_type},
            "from": {"id": user_id, "is_bot": False, "first_name": "Ada"},
            "text": text,
        }
        self._last_update += 1
        self._updates.append({"update_id": self._last_update, "message": message})
        self._wake()
        return self._last_update

    def open_chat(self, user_id: int) -> None:
        """Let the bot write to this person, who has written to it once."""
        self._chats.add(user_id)

    def texts(self, chat_id: int) -> list[str]:
        return [one.text for one in self.delivered if one.chat_id == chat_id]

    def unconfirmed(self) -> list[int]:
        """Return the numbers of updates that a poller has not confirmed."""
        return [update["update_id"] for update in self._updates]

    @property
    def is_polled(self) -> bool:
        """A poller waits for what people write."""
        return self._poller is not None and not self._poller.done()

    def _wake(self) -> None:
        if self._poller and not self._poller.done():
            self._poller.set_result(None)

    # A bot's side ------------------------------------------------------------------------------------------------

    async def answer(self, token: str, method: str, given: dict[str, str]) -> Any:
        self.asked.append(method)
        if token != self.token:
            raise Refused(401, "Unauthorized")
        if method == "getMe":
            return {"id": self.bot_id, "is_bot": True, "first_name": "Candleray", "username": self.username}
        if method == "deleteWebhook":
            self.has_webhook = False
            return True
        if method == "getUpdates":
            return await self._get_updates(int(given.get("offset", 0)), float(given.get("timeout", 0)))
        if method == "sendMessage":
            return self._send(int(given["chat_id"]), given["text"], given.get("parse_mode"))
        if method == "editMessageText":
            return self._edit(int(given["chat_id"]), int(given["message_id"]), given)
        raise Refused(404, "Not Found: method not found")

    async def _get_updates(self, offset: int, timeout_s: float) -> list[dict[str, Any]]:
        if self.has_webhook:
            raise Refused(409, "Conflict: can't use getUpdates method while webhook is active")
        if self._poller and not self._poller.done():  # the earlier one is ended
            self._poller.set_exception(
                Refused(409, "Conflict: terminated by other getUpdates request; make sure that only one bot runs")
            )
        while self._updates and self._updates[0]["update_id"] < offset:
            self._updates.popleft()
        if not self._updates and timeout_s:
            self._poller = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):  # which cancels it
                    await self._poller
        return list(self._updates)[:100]

    def _send(self, chat_id: int, text: str, parse_mode: str | None) -> dict[str, Any]:
        fault = self.faults.draw()
        if fault is Fault.TOO_MANY:
            wait_s = self.faults.retry_after_s
            raise Refused(429, f"Too Many Requests: retry after {wait_s}", retry_after=wait_s)
        if fault is Fault.SERVER_ERROR:
            raise Refused(502, "Bad Gateway")
        if fault is Fault.CUT_BEFORE:
            raise Cut
        if fault is Fault.BAD_REQUEST:
            raise Refused(400, "Bad Request: can't parse entities")
        if chat_id in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if chat_id not in self._chats:
            raise Refused(400, "Bad Request: chat not found")
        self._last_message += 1
        one = Delivered(self._last_message, chat_id, _parsed(text, parse_mode), time.monotonic())
        self.delivered.append(one)
        if fault is Fault.CUT:
            raise Cut
        return _message(one)

    def _edit(self, chat_id: int, message_id: int, given: dict[str, str]) -> dict[str, Any]:
        for one in self.delivered:
            if (one.chat_id, one.message_id) == (chat_id, message_id):
                text = _parsed(given["text"], given.get("parse_mode"))
                if one.text == text:
                    raise Refused(
                        400, "Bad Request: message is not modified: specified new message content is the same"
                    )
                one.text = text
                self.overwritten += 1
                return _message(one)
        raise Refused(400, "Bad Request: message to edit not found")


def _parsed(text: str, parse_mode: str | None) -> str:
    try:
        parsed = shown(text, parse_mode)
    except CannotParse as error:
        raise Refused(400, f"Bad Request: can't parse entities: {error}") from None
    if not parsed.strip():
        raise Refused(400, "Bad Request: message text is empty")
    if length_of(parsed) > MOST_CHARACTERS:
        raise Refused(400, "Bad Request: message is too long")
    return parsed


def _message(one: Delivered) -> dict[str, Any]:
    chat = {"id": one.chat_id, "type": "private"}
    return {"message_id": one.message_id, "date": int(time.time()), "chat": chat, "text": one.text}


@asynccontextmanager
async def fake_bot_api(token: str, **given: Any) -> AsyncIterator[FakeBotApi]:
    """Serve a Bot API that knows this token on a free port of this machine."""
    api = FakeBotApi(token, **given)
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, Cut):
                while True:
                    await _exchange(api, reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _exchange(api: FakeBotApi, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request; raises `Cut` where the connection is to end without an answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    path = head.split(" ", 2)[1]
    headers = dict(_headers(head))
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    token, _, method = path.removeprefix("/bot").partition("/")
    try:
        status, answer = (
            200,
            {"ok": True, "result": await api.answer(token, method, dict(parse_qsl(body.decode())))},
        )
    except Refused as refused:
        answer = {"ok": False, "error_code": refused.status, "description": refused.description}
        status, answer = refused.status, {**answer, "parameters": refused.parameters}
    content = json.dumps(answer).encode()
    writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n".encode())
    writer.write(f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
    await writer.drain()


def _headers(head: str) -> Iterator[tuple[str, str]]:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        yield name.strip().lower(), value.strip()
