"""The Bot API by aiogram, which may be missing and takes seconds and 100 MB to import: it lives here alone.

Its errors quote URLs, and so the token: they are raised as `BotTrouble`, masked and without their cause.
"""

from __future__ import annotations

from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import DeleteWebhook, EditMessageText, GetMe, GetUpdates, SendMessage
from aiogram.utils.token import TokenValidationError

from candleray.errors import first_line
from candleray.logs import mask_credentials
from candleray.notify.bot_api import BotName, BotTrouble, IncomingMessage, TroubleKind, Update, as_html

TIMEOUT_S = 20
_NOT_MODIFIED = "message is not modified"

_KINDS: tuple[tuple[type[AiogramError], TroubleKind], ...] = (
    (TelegramRetryAfter, TroubleKind.TOO_MANY),
    (TelegramForbiddenError, TroubleKind.BLOCKED),
    (TelegramUnauthorizedError, TroubleKind.UNKNOWN_TOKEN),
    (TelegramNotFound, TroubleKind.UNKNOWN_TOKEN),  # Telegram's answer to a token of another form
    (TelegramConflictError, TroubleKind.OTHER_POLLER),
    (TelegramBadRequest, TroubleKind.REFUSED),
    (TelegramServerError, TroubleKind.UNCERTAIN),
    (ClientDecodeError, TroubleKind.UNCERTAIN),
    (TelegramNetworkError, TroubleKind.UNCERTAIN),
    (TelegramAPIError, TroubleKind.REFUSED),
)
_NOT_REACHED = ("ClientConnector", "Cannot connect")
"""Words of aiohttp where no request has left."""


class TelegramBot:
    """`BotApi` over one token."""

    def __init__(self, token: str, api_url: str) -> None:
        """Raises `BotTrouble` where the token has not the form of one."""
        session = AiohttpSession(api=TelegramAPIServer.from_base(api_url), timeout=TIMEOUT_S)
        try:
            self._bot = Bot(token, session=session)
        except TokenValidationError:
            text = "the bot's token is none: BotFather gives digits, a colon and letters"
            raise BotTrouble(TroubleKind.UNKNOWN_TOKEN, text) from None

    async def name(self) -> BotName:
        me = await self._call(GetMe())
        return BotName(me.id, me.username or "")

    async def forget_webhook(self) -> None:
        await self._call(DeleteWebhook(drop_pending_updates=False))

    async def updates(self, offset: int, timeout_s: int) -> list[Update]:
        wanted = GetUpdates(offset=offset, timeout=timeout_s, allowed_updates=["message"])
        return [_update(one) for one in await self._call(wanted, timeout_s + TIMEOUT_S)]

    async def send(self, chat_id: int, text: str, is_plain: bool = False) -> int:
        given = {"text": text} if is_plain else {"text": as_html(text), "parse_mode": "HTML"}
        message = await self._call(SendMessage(chat_id=chat_id, **given))
        return int(message.message_id)

    async def is_shown(self, chat_id: int, message_id: int, text: str) -> bool:
        # The Bot API reads no chat. But an edit that would change nothing is refused in words that tell just that.
        edit = EditMessageText(chat_id=chat_id, message_id=message_id, text=as_html(text), parse_mode="HTML")
        try:
            await self._call(edit)
        except BotTrouble as trouble:
            if trouble.kind is not TroubleKind.REFUSED:
                raise
            return _NOT_MODIFIED in trouble.text
        return True

    async def close(self) -> None:
        await self._bot.session.close()

    async def _call(self, method: Any, timeout_s: int | None = None) -> Any:
        try:
            return await self._bot(method, request_timeout=timeout_s)
        except AiogramError as error:
            raise _trouble(error) from None
        except OSError as error:
            raise BotTrouble(TroubleKind.UNCERTAIN, mask_credentials(first_line(error))) from None


def _trouble(error: AiogramError) -> BotTrouble:
    kind = next((kind for known, kind in _KINDS if isinstance(error, known)), TroubleKind.UNCERTAIN)
    text = mask_credentials(getattr(error, "message", "") or first_line(error))[:300]
    if isinstance(error, TelegramNetworkError) and any(words in text for words in _NOT_REACHED):
        kind = TroubleKind.AWAY
    return BotTrouble(kind, text, float(getattr(error, "retry_after", 0.0)))


def _update(update: Any) -> Update:
    message = update.message
    if message is None or message.from_user is None:
        return Update(update.update_id, None)
    is_private = message.chat.type == "private"
    said = IncomingMessage(message.chat.id, is_private, message.from_user.id, message.text or "")
    return Update(update.update_id, said)
