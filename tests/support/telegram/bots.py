"""Bots of tests; aiogram is imported by the first test that needs one, not where tests are collected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.canaries import plant

if TYPE_CHECKING:
    from candleray.notify.bot import TelegramBot

TOKEN = "7771234567:AAH-a_token_of_no_bot_that_Telegram_knows"
plant("bot token", TOKEN)


@asynccontextmanager
async def telegram_bot(api_url: str, token: str = TOKEN) -> AsyncIterator[TelegramBot]:
    bot = open_bot(api_url, token)
    yield bot
    await bot.close()


def open_bot(api_url: str, token: str = TOKEN) -> TelegramBot:
    pytest.importorskip("aiogram", reason="the extra 'notify' (aiogram) is not installed")
    from candleray.notify.bot import TelegramBot

    return TelegramBot(token, api_url)
