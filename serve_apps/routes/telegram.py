"""Messages by Telegram: the user's chat linked and unlinked, and which events are told there."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from starlette.responses import JSONResponse, Response

from candleray.notify.chat_store import TelegramChats
from candleray.notify.chats import TelegramChat, TelegramLink
from candleray.notify.policies import NotificationPolicy
from serve_apps.backend import InBackend
from serve_apps.examples import telegram as examples
from serve_apps.http.access import needs
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

router = APIRouter(prefix="/me/telegram", tags=["messages"], route_class=StrictRoute)


async def _chats(backend: InBackend) -> TelegramChats:
    return TelegramChats(await backend.postgres())


InChats = Annotated[TelegramChats, Depends(_chats)]


@router.post("/link", response_model=TelegramLink, responses=example(examples.LINK))
@needs("account")
async def make_telegram_link(user: InUser, chats: InChats, backend: InBackend) -> Response:
    """Make a link that starts the bot: opened in the account's own Telegram, it brings the messages there.

    It is good for some minutes and for once, and a newer one replaces it. Only this answer shows it.
    """
    link = await chats.new_link(user.user_id, backend.settings.telegram.link_minutes)
    return JSONResponse(link.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


@router.get("", response_model=TelegramChat, responses=example(examples.CHAT))
async def get_telegram(user: InUser, chats: InChats) -> Any:
    """The user's Telegram chat: linked or not, what waits to be sent, which events are told."""
    return await chats.state(user.user_id)


@router.delete("", response_model=TelegramChat, responses=example(examples.UNLINKED))
@needs("account")
async def unlink_telegram(user: InUser, chats: InChats) -> Any:
    """Unlink the chat: nothing more is sent there, what waits included."""
    return await chats.unlink(user.user_id)


@router.put("/policy", response_model=TelegramChat, responses=example(examples.CHAT))
@needs("account")
async def put_telegram_policy(
    body: Annotated[NotificationPolicy, Body(openapi_examples=examples.POLICIES)], user: InUser, chats: InChats
) -> Any:
    """Choose which events are told, and when; the whole policy replaces the one there was."""
    await chats.keep_policy(user.user_id, body)
    return await chats.state(user.user_id)
