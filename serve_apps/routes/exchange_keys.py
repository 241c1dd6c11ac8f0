"""Exchange keys: added with a second factor, listed without their secrets, deleted."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path

from candleray.identity.exchange_key_store import ExchangeKeys
from candleray.identity.exchange_keys import NewExchangeKey
from candleray.identity.local_secrets import key_ring
from candleray.identity.models import ExchangeKey
from candleray.validation import Model
from serve_apps.backend import InBackend
from serve_apps.examples import identity as examples
from serve_apps.http.access import needs
from serve_apps.http.callers import InFreshUser, InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

router = APIRouter(prefix="/exchange-keys", tags=["identity"], route_class=StrictRoute)

KeyId = Annotated[UUID, Path(description="of `GET /exchange-keys`", examples=[examples.KEY_ID])]


class Deleted(Model):
    deleted: int
    """Number of deleted keys."""


async def _keys(backend: InBackend) -> ExchangeKeys:
    settings = backend.settings
    return ExchangeKeys(await backend.postgres(), lambda: key_ring(settings), settings.identity.max_exchange_keys)


InKeys = Annotated[ExchangeKeys, Depends(_keys)]


@router.get("", response_model=list[ExchangeKey], responses=example([examples.EXCHANGE_KEY]))
@needs("account")
async def list_exchange_keys(user: InUser, keys: InKeys) -> Any:
    """The user's exchange keys, the newest first, each with its last four characters alone."""
    return await keys.of_user(user.user_id)


@router.post("", response_model=ExchangeKey, responses=example(examples.EXCHANGE_KEY))
@needs("account")
async def add_exchange_key(
    user: InFreshUser, body: Annotated[NewExchangeKey, Body(openapi_examples=examples.KEY_BODIES)], keys: InKeys
) -> Any:
    """Keep a key of an exchange, encrypted for this record alone; needs a code of the last minutes."""
    return await keys.add(user.user_id, body)


@router.delete("/{key_id}", response_model=Deleted, responses=example({"deleted": 1}))
@needs("account")
async def delete_exchange_key(key_id: KeyId, user: InFreshUser, keys: InKeys) -> Any:
    """Delete an exchange key for good; needs a code of the last minutes."""
    await keys.delete(user.user_id, key_id)
    return Deleted(deleted=1)
